"""The days of a panel as graphs of PyTorch Geometric."""

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch

from ..panel.blocks import BlockReader, PanelGraphs, find_last_label_days
from ..panel.split import Split, SplitName
from ..panel.store import Panel
from ..params import InputError


@dataclass(frozen=True)
class DailyGraphs:
    """A graph per day, as a dataset for PyTorch Geometric's ``DataLoader``.

    The days are those on which a stock is forecast. ``lookback`` is the number of observations of each
    stock. ``selected`` is a split, or None for all days.
    """

    panel: Panel
    graphs: PanelGraphs
    split: Split
    lookback: int = 1
    selected: SplitName | None = None

    def select(self, split: SplitName) -> Self:
        """Select the days of a split; its labels that end after the next split begins are unknown."""
        return replace(self, selected=split)

    @cached_property
    def dates(self) -> tuple[date, ...]:
        """List the days."""
        has_stocks = self.panel.eligible.any(1).numpy()
        if self.selected is not None:
            has_stocks &= np.isin(np.arange(len(has_stocks)), self.split.indices_of(self.selected, self.panel.days))
        return tuple(self.panel.metadata.days[index] for index in np.flatnonzero(has_stocks))

    def __len__(self) -> int:
        return len(self.dates)

    def __getitem__(self, index: int) -> Any:
        """Return the graph of a day by its position."""
        return self.to_pyg(self.dates[index])

    def to_pyg(self, day: date) -> Any:
        """Return the graph of a day as a ``torch_geometric.data.Data``.

        ``x`` (stock, feature) are the scaled features, 0 where ``is_missing``; with a lookback (stock, step, feature).
        ``edge_index`` leads from neighbours to stocks, ``edge_attr`` has the columns of ``EDGE_ATTRIBUTES``. ``y``
        (stock, horizon) are the returns, NaN where unknown. ``codes`` and ``date`` are texts.
        """
        from torch_geometric.data import Data  # imported here because it takes seconds

        if day not in self.dates:
            raise InputError(f"No stock is forecast on {day}; the days are from {self.dates[0]} to {self.dates[-1]}.")
        metadata = self.panel.metadata
        block = self._reader.read(np.array([metadata.days.index(day)]))
        is_forecast, neighbours = block.is_forecast[0], block.neighbours[0]
        x, is_missing = (values[is_forecast].squeeze(1) for values in block.fill_missing())
        node = is_forecast.cumsum(0) - 1  # (stock,)
        stock, rank = (neighbours >= 0).nonzero(as_tuple=True)
        return Data(
            x=x,
            is_missing=is_missing,
            edge_index=node[torch.stack([neighbours[stock, rank], stock])],
            edge_attr=block.edges[0, stock, rank].float(),
            y=block.targets[0, is_forecast],
            codes=[metadata.codes[index] for index in block.stock[is_forecast].tolist()],
            date=day.isoformat(),
        )

    @cached_property
    def _reader(self) -> BlockReader:
        limits = self.selected and find_last_label_days(self.panel, self.split.ranges_of(self.selected))
        return BlockReader(self.panel, self.graphs, self.lookback, 1, limits)
