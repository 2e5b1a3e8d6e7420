"""What a training step sees: some consecutive days and all stocks of them, cut from the panel in one gather."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from .split import DateRange, Split, SplitName
from .store import Panel

ABSENT = -1
NO_LIMIT = np.iinfo(np.int64).max  # in place of the last day whose closes a label may use
STOCKS_MULTIPLE = 8  # the stocks of a block are padded to a multiple of this


@dataclass(frozen=True)
class DailyGraphs:
    """Each graph's neighbours as places of stocks in the panel, and the graph that each day uses."""

    neighbours: Tensor  # int32 (graph, stock, neighbour); −1: none
    edges: Tensor  # float16 (graph, stock, neighbour, attribute)
    graph_of: Tensor  # int64 (day,); −1: no graph is old enough

    def to(self, device: torch.device | str) -> Self:
        """Copy the graphs to a device."""
        return type(self)(self.neighbours.to(device), self.edges.to(device), self.graph_of.to(device))


def no_graphs(panel: Panel) -> DailyGraphs:
    """Leave every stock alone."""
    days, stocks = panel.row_of.shape
    return DailyGraphs(
        neighbours=torch.full((1, stocks, 1), ABSENT, dtype=torch.int32),
        edges=torch.zeros((1, stocks, 1, 1), dtype=torch.float16),
        graph_of=torch.full((days,), ABSENT),
    )


@dataclass(frozen=True)
class Block:
    """A few trading days and the stocks forecast in them. Every −1 is something that is not there.

    ``step`` runs over each stock's own observations, the newest last; ``slot`` says at which of them a day lies.
    """

    day: Tensor  # int64 (day,) in the panel
    stock: Tensor  # int64 (stock,) in the panel
    rows: Tensor  # int64 (stock, step) in the panel
    slot: Tensor  # int64 (day, stock)
    row_day: Tensor  # int64 (stock, step) in the panel; the day of each row
    market: Tensor  # float32 (panel day, 2 features)
    features: Tensor  # float16 (stock, step, feature); NaN where missing or absent
    targets: Tensor  # float32 (day, stock, horizon); NaN where unknown
    neighbours: Tensor  # int64 (day, stock, neighbour) in this block
    edges: Tensor  # float16 (day, stock, neighbour, attribute)

    @property
    def is_forecast(self) -> Tensor:
        """Say which stock is forecast on which day."""
        return self.slot >= 0  # bool (day, stock)

    @property
    def is_present(self) -> Tensor:
        """Say which steps a stock has."""
        return self.rows >= 0  # bool (stock, step)

    def fill_missing(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """Give the features with 0, their neutral value, where they are missing, and the marks of where that is."""
        values = self.features.to(dtype)
        missing = values.isnan()
        return values.masked_fill(missing, 0), missing


class BlockReader:
    """Cuts blocks of one shape out of a panel, on whatever device the panel lies."""

    def __init__(
        self, panel: Panel, graphs: DailyGraphs, lookback: int, days: int, known_until: np.ndarray | None = None
    ) -> None:
        self.panel, self.graphs = panel, graphs
        self.days, self.steps = days, lookback - 1 + days
        self.stocks = _most_stocks(panel.eligible, days)
        until = np.full(len(panel.row_of), NO_LIMIT) if known_until is None else known_until
        self._known_until = torch.from_numpy(until).to(panel.row_of.device)
        self._last_row = panel.row_of.amax(0).long()  # (stock,)
        self._day_of, self._stock_of = _invert(panel)
        self._reach = torch.tensor(panel.metadata.horizons, device=panel.row_of.device) + panel.metadata.entry_lag

    def with_days(self, days: int) -> Self:
        """Cut blocks of fewer days, as deep in the past."""
        other = copy.copy(self)
        other.days, other.steps = days, self.steps - self.days + days
        other.stocks = _most_stocks(self.panel.eligible, days)
        return other

    def read(self, days: np.ndarray) -> Block:
        """Cut out consecutive days, −1 behind the last where they are fewer than a block has."""
        there = days[days >= 0]
        assert len(days) == self.days, f"{len(days)} days are no block of {self.days}"
        assert (np.diff(there) == 1).all(), f"{there} are not consecutive"
        day = torch.from_numpy(days).to(self.panel.row_of.device)
        held, eligible = self._look_up(day)  # (day, all stocks)
        stock = self._choose(eligible)
        rows, slot = self._find_rows(stock, held, eligible)
        neighbours, edges = self._connect(day, stock, slot)
        return Block(
            day=day,
            stock=stock,
            rows=rows,
            slot=slot,
            row_day=self._day_of[rows.clamp(min=0)],
            market=self.panel.market,
            features=_gather(self.panel.features, rows),
            targets=self._label(day, stock, rows, slot),
            neighbours=neighbours,
            edges=edges,
        )

    def _look_up(self, day: Tensor) -> tuple[Tensor, Tensor]:
        """Find the rows of some days, and who is forecast on them."""
        there = (day >= 0).unsqueeze(-1)
        held = self.panel.row_of[day.clamp(min=0)].long().where(there, ABSENT)
        return held, self.panel.eligible[day.clamp(min=0)] & there

    def _choose(self, eligible: Tensor) -> Tensor:
        """Place the stocks that are forecast on any of the days first, in their order, and fill up with −1."""
        active = pad(eligible.any(0), (0, STOCKS_MULTIPLE))
        first = torch.argsort(~active, stable=True)[: self.stocks]
        return first.where(active[first], ABSENT)

    def _find_rows(self, stock: Tensor, held: Tensor, eligible: Tensor) -> tuple[Tensor, Tensor]:
        """Take each stock's last observations up to the block's end: a contiguous stretch of the panel."""
        there = stock >= 0
        held = held[:, stock.clamp(min=0)].where(there, ABSENT)  # (day, stock)
        newest = held.amax(0)  # (stock,)
        back = torch.arange(self.steps - 1, -1, -1, device=held.device)
        rows = newest.unsqueeze(-1) - back  # (stock, step)
        own = self._stock_of[rows.clamp(min=0)] == stock.unsqueeze(-1)
        asked = eligible[:, stock.clamp(min=0)] & (held >= 0)
        slot = (held - newest + self.steps - 1).where(asked & there, ABSENT)
        return rows.where(own & (rows >= 0), ABSENT), slot

    def _label(self, day: Tensor, stock: Tensor, rows: Tensor, slot: Tensor) -> Tensor:
        """Read the targets of the forecasts (day, stock, horizon) whose returns are known in time.

        A target may end beyond the last row of its stock, as that of a delisted one does. Each row that the stock
        lacks then counts as one trading day after its last row.
        """
        row = rows.t().gather(0, slot.clamp(min=0)).where(slot >= 0, ABSENT)
        end = row.unsqueeze(-1) + self._reach  # (day, stock, horizon)
        last = self._last_row[stock.clamp(min=0)][None, :, None]
        end_day = self._day_of[end.minimum(last).clamp(min=0)] + (end - last).clamp(min=0)
        in_time = end_day <= self._known_until[day.clamp(min=0)][:, None, None]
        return _gather(self.panel.targets, row).where(in_time, torch.nan)

    def _connect(self, day: Tensor, stock: Tensor, slot: Tensor) -> tuple[Tensor, Tensor]:
        """Translate the days' graphs into places in the block; only who is forecast that day is a neighbour."""
        all_stocks = self.panel.row_of.shape[1]
        place = torch.full((all_stocks + 1,), ABSENT, device=stock.device)  # the last is the place of −1
        place[stock] = torch.arange(len(stock), device=stock.device).where(stock >= 0, ABSENT)
        graph = self.graphs.graph_of[day.clamp(min=0)]
        mine = (graph.clamp(min=0).unsqueeze(-1), stock.clamp(min=0))
        there = ((graph >= 0) & (day >= 0)).view(-1, 1, 1) & (stock >= 0).view(1, -1, 1)
        other = place[self.graphs.neighbours[mine].long()].where(there, ABSENT)  # (day, stock, neighbour)
        awake = slot.unsqueeze(-1).expand_as(other).gather(1, other.clamp(min=0)) >= 0
        other = other.where(awake & (other >= 0), ABSENT)
        return other, self.graphs.edges[mine] * (other >= 0).unsqueeze(-1)


def _gather(matrix: Tensor, rows: Tensor) -> Tensor:
    """Take rows in one go; the matrix's last row, all NaN, stands for what is absent."""
    wanted = rows.where(rows >= 0, len(matrix) - 1).flatten()
    return matrix.index_select(0, wanted).view(*rows.shape, matrix.shape[1])


def _most_stocks(eligible: Tensor, days: int) -> int:
    """Count the most stocks that any ``days`` consecutive days hold, padded to a multiple."""
    if days >= len(eligible):
        most = int(eligible.any(0).sum())
    else:
        seen = pad(eligible.cpu().cumsum(0, dtype=torch.int32), (0, 0, 1, 0))
        most = int((seen[days:] > seen[:-days]).sum(1).max())
    return -(-most // STOCKS_MULTIPLE) * STOCKS_MULTIPLE


def _invert(panel: Panel) -> tuple[Tensor, Tensor]:
    """Find the day and the stock of every row."""
    day, stock = torch.nonzero(panel.row_of >= 0, as_tuple=True)
    row = panel.row_of[day, stock].long()
    return torch.empty_like(row).scatter(0, row, day), torch.empty_like(row).scatter(0, row, stock)


def known_until(panel: Panel, date_ranges: Sequence[DateRange]) -> np.ndarray:
    """Find for each day of the panel (day,) the last day whose closes its labels may use.

    Labels of the days that no later part limits, such as the test days, may end after the panel's last day: a stock
    that disappears there has its last return.
    """
    days = panel.days
    until = np.full(len(days), NO_LIMIT)
    for stretch in date_ranges:
        inside = (days >= np.datetime64(stretch.first)) & (days <= np.datetime64(stretch.last))
        if stretch.known_until is not None:
            until[inside] = np.searchsorted(days, np.datetime64(stretch.known_until), side="right") - 1
    return until


def split_segments(panel: Panel, split: Split, part: SplitName) -> list[np.ndarray]:
    """List the days of a part that have stocks, as places in the panel, one array for each stretch without a gap."""
    places = split.indices_of(part, panel.days)
    places = places[panel.eligible.any(1).cpu().numpy()[places]]
    return [piece for piece in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1) if len(piece)]
