"""The panel's folder."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from ..panel.store import HEADER, Panel, open_panel, read_header
from ..panel.write import PanelDraft, write_panel
from ..params import InputError


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
        # Not its path: the cache would look at the files' times, which opening a copied panel puts back.
        try:
            header = read_header(self._path)
        except InputError:
            return {"panel": None}
        return {"panel": header.identity, "folder": header.folder, "damaged": header.find_damaged(self._path)}

    def _exists(self) -> bool:
        return (self._path / HEADER).exists()
