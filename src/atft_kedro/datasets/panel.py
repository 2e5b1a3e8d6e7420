"""The folder of the panel."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from ..panel.store import HEADER, Panel, open_panel, read_header
from ..panel.write import PanelPlan, write_panel
from ..params import InputError


class PanelDataset(AbstractDataset[PanelPlan, Panel]):
    """The panel: written in one pass, memory-mapped on load, refused if its files were changed.

    Example usage for the YAML API:

        panel:
          type: atft_kedro.datasets.PanelDataset
          path: data/05_model_input/panel
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> Panel:
        """Map the tensors into memory."""
        return open_panel(self._path)

    def save(self, data: PanelPlan) -> None:
        """Write the panel completely or not at all."""
        write_panel(self._path, data)

    def _describe(self) -> dict[str, Any]:
        # Without the path: the cache would compare the files' times, which opening a copied panel restores.
        try:
            header = read_header(self._path)
        except InputError:
            return {"panel": None}
        return {"panel": header.identity, "folder": header.folder, "damaged": header.find_damaged(self._path)}

    def _exists(self) -> bool:
        return (self._path / HEADER).exists()
