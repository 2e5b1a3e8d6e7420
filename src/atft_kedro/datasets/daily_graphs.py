"""Dataset of the days as graphs of PyTorch Geometric."""

from pathlib import Path
from typing import Any

from ..files import parse_model, read_json
from ..graph.panel_indices import index_graphs
from ..graph.pyg_data import DailyGraphs
from ..panel.split import Split
from ..panel.store import open_panel
from .read_only import ReadOnlyDataset
from .table import TableDataset


class DailyGraphsDataset(ReadOnlyDataset[DailyGraphs]):
    """A graph per day with features, edges, labels and codes.

    It reads ``panel``, ``graphs.parquet`` and ``split.json`` in the folder ``path``.

    Example usage for the YAML API:

        daily_graphs:
          type: atft_kedro.datasets.DailyGraphsDataset
          path: data/05_model_input
          lookback: 1
    """

    reason = "The graphs are made of the panel and the edge table."

    def __init__(self, *, path: str, lookback: int = 1, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(metadata=metadata)
        self._path, self._lookback = Path(path), lookback

    def load(self) -> DailyGraphs:
        """Map the panel into memory and read the graphs; a day is read when it is used."""
        panel = open_panel(self._path / "panel")
        graphs = index_graphs(TableDataset(filepath=str(self._path / "graphs.parquet")).load(), panel)
        split = self._path / "split.json"
        return DailyGraphs(panel, graphs, parse_model(read_json(split), Split, split), self._lookback)
