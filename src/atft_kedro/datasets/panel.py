"""The panel's folder."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from ..panel.store import HEADER, Panel, open_panel
from ..panel.writing import PanelDraft, write_panel


class PanelDataset(AbstractDataset[PanelDraft, Panel]):
    """The panel: written in one pass, mapped on load, refused when its files are not as they were written.

    Example usage for the YAML API:

        panel:
          type: atft_kedro.datasets.PanelDataset
          path: data/05_model_input/panel
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> Panel:
        """Map the tensors."""
        return open_panel(self._path)

    def save(self, data: PanelDraft) -> None:
        """Write the whole panel or nothing."""
        write_panel(self._path, data)

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}

    def _exists(self) -> bool:
        return (self._path / HEADER).exists()
