"""Blocks: consecutive days with all stocks that are forecast on one of them, read from the panel."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from .split import DateRange, Split, SplitName
from .store import Panel

ABSENT = -1  # index of a day, stock, row or graph that does not exist
NO_LIMIT = np.iinfo(np.int64).max  # later than any day index: the targets are not limited
STOCKS_MULTIPLE = 8  # the stocks of a block are padded to a multiple of this


@dataclass(frozen=True)
class PanelGraphs:
    """The graphs of a panel; a graph serves several days.

    Neighbours are stock indices of the panel.
    """

    neighbours: Tensor  # int32 (graph, stock, neighbour); −1: none
    edges: Tensor  # float16 (graph, stock, neighbour, attribute)
    graph_of: Tensor  # int64 (day,); −1: there is no graph on or before the day

    def to(self, device: torch.device | str) -> Self:
        """Copy the graphs to a device."""
        return type(self)(self.neighbours.to(device), self.edges.to(device), self.graph_of.to(device))


def no_graphs(panel: Panel) -> PanelGraphs:
    """Return graphs without any neighbour."""
    days, stocks = panel.row_of.shape
    return PanelGraphs(
        neighbours=torch.full((1, stocks, 1), ABSENT, dtype=torch.int32),
        edges=torch.zeros((1, stocks, 1, 1), dtype=torch.float16),
        graph_of=torch.full((days,), ABSENT),
    )


@dataclass(frozen=True)
class Block:
    """Consecutive trading days, and the stocks that are forecast on at least one of them.

    A step is the position of one of a stock's observations in the block, the newest last. A feature is missing if the
    observation has no value, absent if the step has no observation.
    """

    day: Tensor  # int64 (day,) in the panel; −1: padding
    stock: Tensor  # int64 (stock,) in the panel; −1: padding
    rows: Tensor  # int64 (stock, step) in the panel; −1: padding, or before the stock's first observation
    step_of_day: Tensor  # int64 (day, stock); −1: the stock is not forecast on the day
    row_day: Tensor  # int64 (stock, step) in the panel; the day of each row
    market: Tensor  # float32 (panel day, 2 × feature) for all days of the panel
    features: Tensor  # float16 (stock, step, feature); NaN where missing or absent
    targets: Tensor  # float32 (day, stock, horizon); NaN where unknown
    neighbours: Tensor  # int64 (day, stock, neighbour) in this block; −1: none
    edges: Tensor  # float16 (day, stock, neighbour, attribute)

    @property
    def is_forecast(self) -> Tensor:
        """Return the mask (day, stock) of the stocks that are forecast on each day."""
        return self.step_of_day >= 0

    @property
    def is_present(self) -> Tensor:
        """Return the mask (stock, step) of the steps at which a stock has an observation."""
        return self.rows >= 0

    def fill_missing(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """Return the features with 0 for missing and absent values, and the mask of these values."""
        values = self.features.to(dtype)
        missing = values.isnan()
        return values.masked_fill(missing, 0), missing


class BlockReader:
    """Reads blocks of a fixed shape from a panel, on the panel's device."""

    def __init__(
        self, panel: Panel, graphs: PanelGraphs, lookback: int, days: int, last_label_days: np.ndarray | None = None
    ) -> None:
        self.panel, self.graphs = panel, graphs
        self.days, self.steps = days, lookback - 1 + days
        self.stocks = _max_stocks(panel.eligible, days)
        limits = np.full(len(panel.row_of), NO_LIMIT) if last_label_days is None else last_label_days
        self._last_label_days = torch.from_numpy(limits).to(panel.row_of.device)
        self._last_row = panel.row_of.amax(0).long()  # (stock,)
        self._day_of, self._stock_of = _invert_index(panel)
        horizons = torch.tensor(panel.metadata.horizons, device=panel.row_of.device)
        dates = [panel.metadata.delisting_dates.get(code, date.min) for code in panel.metadata.codes]
        delisting_days = np.searchsorted(panel.days, np.array(dates, dtype="datetime64[D]"))  # (stock,)
        self._delisting_day = torch.from_numpy(delisting_days).to(panel.row_of.device)
        self._rows_to_target_end = horizons + panel.metadata.entry_lag  # (horizon,)

    def with_days(self, days: int) -> Self:
        """Return a reader of blocks with another number of days and the same lookback."""
        other = copy.copy(self)
        other.days, other.steps = days, self.steps - self.days + days
        other.stocks = _max_stocks(self.panel.eligible, days)
        return other

    def read(self, days: np.ndarray) -> Block:
        """Read the block of consecutive day indices.

        ``days`` has the number of days of the reader; it ends with −1 if there are fewer days.
        """
        known_days = days[days >= 0]
        assert len(days) == self.days, f"expected {self.days} days, got {len(days)}"
        assert (np.diff(known_days) == 1).all(), f"{known_days} are not consecutive"
        day = torch.from_numpy(days).to(self.panel.row_of.device)
        is_day = (day >= 0).unsqueeze(-1)
        row_of = self.panel.row_of[day.clamp(min=0)].long().where(is_day, ABSENT)  # (day, all stocks)
        eligible = self.panel.eligible[day.clamp(min=0)] & is_day
        stock = self._select_stocks(eligible)
        rows, step_of_day = self._find_rows(stock, row_of, eligible)
        neighbours, edges = self._find_neighbours(day, stock, step_of_day)
        return Block(
            day=day,
            stock=stock,
            rows=rows,
            step_of_day=step_of_day,
            row_day=self._day_of[rows.clamp(min=0)],
            market=self.panel.market,
            features=_gather(self.panel.features, rows),
            targets=self._read_targets(day, stock, rows, step_of_day),
            neighbours=neighbours,
            edges=edges,
        )

    def _select_stocks(self, eligible: Tensor) -> Tensor:
        """Return the stocks that are forecast on any of the days, padded with −1."""
        is_forecast = pad(eligible.any(0), (0, STOCKS_MULTIPLE))  # self.stocks may exceed the number of all stocks
        selected = torch.argsort(~is_forecast, stable=True)[: self.stocks]  # the stocks that are forecast come first
        return selected.where(is_forecast[selected], ABSENT)

    def _find_rows(self, stock: Tensor, row_of: Tensor, eligible: Tensor) -> tuple[Tensor, Tensor]:
        """Return each stock's last rows up to the end of the block, and the step of each day."""
        is_stock = stock >= 0
        row_of = row_of[:, stock.clamp(min=0)].where(is_stock, ABSENT)  # (day, stock)
        newest = row_of.amax(0)  # (stock,)
        age = torch.arange(self.steps - 1, -1, -1, device=row_of.device)
        rows = newest.unsqueeze(-1) - age  # (stock, step)
        belongs_to_stock = self._stock_of[rows.clamp(min=0)] == stock.unsqueeze(-1)
        is_forecast = eligible[:, stock.clamp(min=0)] & (row_of >= 0) & is_stock
        step_of_day = (row_of - newest + self.steps - 1).where(is_forecast, ABSENT)
        return rows.where(belongs_to_stock & (rows >= 0), ABSENT), step_of_day

    def _read_targets(self, day: Tensor, stock: Tensor, rows: Tensor, step_of_day: Tensor) -> Tensor:
        """Read the targets (day, stock, horizon); those that end after the day's last label day are NaN (purge).

        A target may end after the last row of its stock, for example of a delisted one. Its end day is then estimated:
        one trading day for each row that the stock lacks, and not before its delisting date.
        """
        row = rows.t().gather(0, step_of_day.clamp(min=0)).where(step_of_day >= 0, ABSENT)
        end = row.unsqueeze(-1) + self._rows_to_target_end  # (day, stock, horizon)
        of_stocks = (self._last_row, self._delisting_day)
        last, delisting_day = (values[stock.clamp(min=0)][None, :, None] for values in of_stocks)
        end_day = self._day_of[end.minimum(last).clamp(min=0)] + (end - last).clamp(min=0)
        end_day = end_day.maximum(delisting_day).where(end > last, end_day)
        is_in_time = end_day <= self._last_label_days[day.clamp(min=0)][:, None, None]
        return _gather(self.panel.targets, row).where(is_in_time, torch.nan)

    def _find_neighbours(self, day: Tensor, stock: Tensor, step_of_day: Tensor) -> tuple[Tensor, Tensor]:
        """Convert the days' graphs to stock indices of the block; only stocks forecast on the day are neighbours."""
        all_stocks = self.panel.row_of.shape[1]
        index_of = torch.full((all_stocks + 1,), ABSENT, device=stock.device)  # the last entry is for −1
        index_of[stock] = torch.arange(len(stock), device=stock.device).where(stock >= 0, ABSENT)
        graph = self.graphs.graph_of[day.clamp(min=0)]
        own_index = (graph.clamp(min=0).unsqueeze(-1), stock.clamp(min=0))
        has_graph = ((graph >= 0) & (day >= 0)).view(-1, 1, 1) & (stock >= 0).view(1, -1, 1)
        neighbour = index_of[self.graphs.neighbours[own_index].long()]  # (day, stock, neighbour)
        neighbour = neighbour.where(has_graph, ABSENT)
        is_forecast = step_of_day.unsqueeze(-1).expand_as(neighbour).gather(1, neighbour.clamp(min=0)) >= 0
        neighbour = neighbour.where(is_forecast & (neighbour >= 0), ABSENT)
        return neighbour, self.graphs.edges[own_index] * (neighbour >= 0).unsqueeze(-1)


def _gather(matrix: Tensor, rows: Tensor) -> Tensor:
    """Gather rows of a panel tensor; −1 selects its last row, which is all NaN in a panel."""
    selected = rows.where(rows >= 0, len(matrix) - 1).flatten()
    return matrix.index_select(0, selected).view(*rows.shape, matrix.shape[1])


def _max_stocks(eligible: Tensor, days: int) -> int:
    """Count the stocks that are eligible within ``days`` consecutive days, and return the largest count.

    It is rounded up to a multiple of STOCKS_MULTIPLE.
    """
    if days >= len(eligible):
        most = int(eligible.any(0).sum())
    else:
        cumulative = pad(eligible.cpu().cumsum(0, dtype=torch.int32), (0, 0, 1, 0))
        most = int((cumulative[days:] > cumulative[:-days]).sum(1).max())
    return -(-most // STOCKS_MULTIPLE) * STOCKS_MULTIPLE


def _invert_index(panel: Panel) -> tuple[Tensor, Tensor]:
    """Return the day index and the stock index of every row."""
    day, stock = torch.nonzero(panel.row_of >= 0, as_tuple=True)
    row = panel.row_of[day, stock].long()
    return torch.empty_like(row).scatter(0, row, day), torch.empty_like(row).scatter(0, row, stock)


def find_last_label_days(panel: Panel, date_ranges: Sequence[DateRange]) -> np.ndarray:
    """Find for each day of the panel (day,) the last day index at which its targets may end.

    The targets of the last split are not limited, because the estimated end of a delisted stock's target may be after
    the panel's last day (see ``BlockReader``).
    """
    days = panel.days
    limits = np.full(len(days), NO_LIMIT)
    for dates in date_ranges:
        inside = (days >= np.datetime64(dates.first)) & (days <= np.datetime64(dates.last))
        if dates.last_label_day is not None:
            limits[inside] = np.searchsorted(days, np.datetime64(dates.last_label_day), side="right") - 1
    return limits


def split_segments(panel: Panel, split: Split, name: SplitName) -> list[np.ndarray]:
    """List arrays of consecutive day indices of a split, without days that have no stocks."""
    days = split.indices_of(name, panel.days)
    days = days[panel.eligible.any(1).cpu().numpy()[days]]
    return [segment for segment in np.split(days, np.flatnonzero(np.diff(days) != 1) + 1) if len(segment)]
