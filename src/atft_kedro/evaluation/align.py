"""Forecasts from anywhere, laid out over days and stocks, and what of them could not be scored."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import metrics
from ..params import InputError, Params
from ..schema import CLOSE, CODE, DATE, FORECAST, HORIZON, VOLUME, target, target_columns
from .quantiles import levels_of

CELLS_AT_ONCE = 1 << 17  # of days and stocks, so that what is measured of them stays in the processor's cache


class ExcludedForecasts(Params):
    """Forecasts that were given and not scored."""

    unknown: int  # dates and codes without any realised return
    not_finite: int  # forecasts that are no number
    unrealised: int  # whose return is not known yet


def format_excluded(excluded: ExcludedForecasts) -> str:
    """Say what was not scored, and why."""
    told = {
        "forecasts of dates and codes without any return": excluded.unknown,
        "that are no number": excluded.not_finite,
        "whose return is not known": excluded.unrealised,
    }
    return ", ".join(f"{count:,} {why}" for why, count in told.items() if count)


@dataclass(frozen=True)
class IndexedRows:
    """Rows of a table and where each lies."""

    rows: pl.DataFrame
    cell: NDArray[np.int64]  # of the days and stocks in a row


@dataclass(frozen=True)
class RealisedReturns:
    """Realised returns (day, stock) by horizon, and where each date and code lies."""

    days: pl.Series
    codes: pl.Series
    returns: dict[int, Tensor]
    traded: Tensor | None  # close times volume

    def lay(self, placed: IndexedRows, column: str) -> Tensor:
        """Lay a column out; NaN where no row is."""
        cells = np.full(len(self.days) * len(self.codes), np.nan, dtype=np.float64)
        cells[placed.cell] = placed.rows[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return torch.from_numpy(cells).view(len(self.days), len(self.codes))

    def place(self, frame: pl.DataFrame) -> IndexedRows:
        """Find the place of each row; those without one are left out."""
        stock = frame[CODE].cast(pl.String).cast(pl.Enum(self.codes), strict=False).to_physical()
        known = self.days.to_physical().to_numpy()
        place_of = np.full(known[-1] - known[0] + 2, -1, dtype=np.int32)  # by date, and one for all others
        place_of[known - known[0]] = np.arange(len(known))
        since = frame[DATE].to_physical().to_numpy() - known[0]
        day = place_of[np.where((since >= 0) & (since < len(place_of)), since, -1)]
        there = (day >= 0) & stock.is_not_null().to_numpy()
        if not there.all():
            frame, day, stock = frame.filter(there), day[there], stock.filter(there)
        placed = IndexedRows(frame, day.astype(np.int64) * len(self.codes) + stock.to_numpy())
        self._require_once(placed)
        return placed

    def _require_once(self, placed: IndexedRows) -> None:
        seen = np.zeros(len(self.days) * len(self.codes), dtype=bool)
        seen[placed.cell] = True
        repeats = len(placed.rows) - int(seen.sum())
        if repeats:
            twice = placed.rows.filter(pl.struct(DATE, CODE).is_duplicated()).row(0, named=True)
            raise InputError(f"{repeats} rows repeat the date and code of another, as {twice[DATE]} {twice[CODE]}.")


@dataclass(frozen=True)
class HorizonForecasts:
    """The forecasts over one horizon, laid out over the days from their first to their last; NaN where none is."""

    horizon: int
    ground: RealisedReturns
    days: slice  # of the ground's
    forecast: Tensor  # float64 (day, stock)
    placed: IndexedRows
    excluded: ExcludedForecasts

    @cached_property
    def rank(self) -> Tensor:
        """Rank each day's forecasts from 1 on (day, stock), ties at their average; NaN where none is."""
        return torch.cat([metrics.ranks(part, part.isfinite()) for part in self._cut(self.forecast)]).float()

    @property
    def actual(self) -> Tensor:
        """Take the returns that came (day, stock)."""
        return self.returns(self.horizon)

    def returns(self, horizon: int) -> Tensor:
        """Take the returns over another horizon (day, stock)."""
        return self.ground.returns[horizon][self.days]

    def stretches(self) -> Iterator[slice]:
        """Cut the days into stretches."""
        days, stocks = self.forecast.shape
        step = max(CELLS_AT_ONCE // max(stocks, 1), 1)
        return (slice(start, min(start + step, days)) for start in range(0, days, step))

    def _cut(self, cells: Tensor) -> Iterator[Tensor]:
        return (cells[stretch] for stretch in self.stretches())

    def quantiles(self) -> dict[str, float]:
        """Name the quantiles that were forecast."""
        return levels_of(self.placed.rows.columns)

    def lay(self, column: str) -> Tensor:
        """Lay out what else was said, as a quantile."""
        return self.ground.lay(self.placed, column)[self.days]


def index_returns(realised: pl.DataFrame) -> RealisedReturns:
    """Lay realised returns out: a row for each date and code."""
    _require_keys(realised, (DATE, CODE), "realised returns")
    ground = RealisedReturns(realised[DATE].unique().sort(), realised[CODE].cast(pl.String).unique().sort(), {}, None)
    placed = ground.place(realised)
    returns = {horizon: ground.lay(placed, name) for name, horizon in target_columns(realised.schema).items()}
    is_traded = {CLOSE, VOLUME} <= realised.schema.keys()
    return replace(
        ground,
        returns=returns,
        traded=ground.lay(placed, CLOSE) * ground.lay(placed, VOLUME) if is_traded else None,
    )


def lay_out(forecasts: pl.DataFrame, ground: RealisedReturns, horizon: int) -> HorizonForecasts:
    """Put the forecasts over one horizon beside what came."""
    if horizon not in ground.returns:
        raise InputError(f"Forecasts over {horizon} days cannot be scored: there is no {target(horizon)!r}.")
    asked = forecasts.filter(pl.col(HORIZON) == horizon).select(DATE, CODE, FORECAST, *levels_of(forecasts.columns))
    finite = asked.filter(pl.col(FORECAST).is_finite())
    placed = ground.place(finite)
    forecast, actual = ground.lay(placed, FORECAST), ground.returns[horizon]
    there = forecast.isfinite()
    excluded = ExcludedForecasts(
        unknown=len(finite) - len(placed.rows),
        not_finite=len(asked) - len(finite),
        unrealised=int((there & ~actual.isfinite()).sum()),
    )
    known = there.any(-1).nonzero().flatten().tolist()
    days = slice(known[0], known[-1] + 1) if known else slice(0, 0)
    return HorizonForecasts(horizon, ground, days, forecast[days], placed, excluded)


def require_forecasts(forecasts: pl.DataFrame) -> None:
    """Refuse what is no table of forecasts."""
    _require_keys(forecasts, (DATE, CODE, HORIZON, FORECAST), "forecasts")
    wrong = {
        name: forecasts.schema[name]
        for name in (HORIZON, FORECAST, *levels_of(forecasts.columns))
        if not (forecasts.schema[name].is_integer() if name == HORIZON else forecasts.schema[name].is_numeric())
    }
    if wrong:
        raise InputError(f"The forecasts' {HORIZON} is a whole number and the rest are numbers, not {wrong}.")
    if forecasts[HORIZON].null_count():
        raise InputError(f"{forecasts[HORIZON].null_count()} forecasts have no {HORIZON}.")


def _require_keys(frame: pl.DataFrame, names: tuple[str, ...], what: str) -> None:
    """Refuse a table that lacks columns or rows, or says of a row neither when nor of what it is."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InputError(f"The {what} have no column {missing}; they have {frame.columns}.")
    if frame.schema[DATE] != pl.Date:
        raise InputError(f"The {what}' {DATE} is {frame.schema[DATE]}, no date: cast it with .dt.date().")
    if not len(frame):
        raise InputError(f"There are no {what}.")
    for name in (DATE, CODE):
        if frame[name].null_count():
            raise InputError(f"{frame[name].null_count()} rows of the {what} have no {name}.")
