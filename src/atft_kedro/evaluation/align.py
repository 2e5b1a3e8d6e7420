"""Forecasts and realised returns aligned as arrays over (day, stock)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import polars as pl
import torch
from torch import Tensor

from .. import metrics
from ..panel.index import DayStockIndex, IndexedRows
from ..params import InputError, Params
from ..schema import CLOSE, CODE, DATE, FORECAST, HORIZON, VOLUME, target, target_columns
from .quantiles import quantile_levels

CELLS_PER_CHUNK = 1 << 17  # days times stocks: a float64 array of them has 1 MB and fits the processor's cache


class ExcludedForecasts(Params):
    """Counts of forecasts that were not scored."""

    unknown: int
    not_finite: int
    unrealised: int


EXCLUSION_REASONS = {
    "unknown": "forecasts whose date or code is not in the realised returns",
    "not_finite": "forecasts that are not finite",
    "unrealised": "forecasts without a realised return",
}


def format_excluded(excluded: Iterable[ExcludedForecasts]) -> list[str]:
    """List how many forecasts were not scored, by reason; counts of 0 are omitted."""
    counts = list(excluded)
    totals = {reason: sum(getattr(count, name) for count in counts) for name, reason in EXCLUSION_REASONS.items()}
    return [f"{total:,} {reason}" for reason, total in totals.items() if total]


@dataclass(frozen=True)
class RealisedReturns:
    """Realised returns (day, stock) by horizon."""

    index: DayStockIndex
    returns: dict[int, Tensor]
    traded_value: Tensor | None  # close times volume


@dataclass(frozen=True)
class HorizonForecasts:
    """Forecasts over one horizon as an array, from the first to the last finite one."""

    horizon: int
    realised: RealisedReturns
    days: slice  # of the realised returns' days
    forecast: Tensor  # float64 (day, stock); NaN where no forecast exists
    indexed: IndexedRows  # positions on all days of the realised returns
    excluded: ExcludedForecasts

    @cached_property
    def rank(self) -> Tensor:
        """Return each day's ranks (day, stock) from 1 on; ties have their average rank."""
        chunks = [self.forecast[chunk] for chunk in self.chunks()]
        return torch.cat([metrics.ranks(forecast, forecast.isfinite()) for forecast in chunks]).float()

    @property
    def actual(self) -> Tensor:
        """Return the realised returns (day, stock) over the forecasts' horizon."""
        return self.returns(self.horizon)

    def returns(self, horizon: int) -> Tensor:
        """Return the realised returns (day, stock) on the same days over any horizon."""
        return self.realised.returns[horizon][self.days]

    def chunks(self) -> Iterator[slice]:
        """Yield slices of days that are small enough for the processor's cache."""
        days, stocks = self.forecast.shape
        step = max(CELLS_PER_CHUNK // max(stocks, 1), 1)
        return (slice(start, min(start + step, days)) for start in range(0, days, step))

    def quantiles(self) -> dict[str, Tensor]:
        """Return the forecast quantiles (day, stock) by column name."""
        index = self.realised.index
        return {
            name: to_tensor(index, self.indexed, name)[self.days] for name in quantile_levels(self.indexed.rows.columns)
        }


def to_tensor(index: DayStockIndex, indexed: IndexedRows, column: str) -> Tensor:
    """Return a column as a float64 tensor (day, stock); NaN where no row or no value exists."""
    return torch.from_numpy(index.to_array(indexed, column))


def index_returns(realised: pl.DataFrame) -> RealisedReturns:
    """Align realised returns, a row for each date and code, as arrays by horizon."""
    _require_columns(realised, (DATE, CODE), "realised returns")
    index = DayStockIndex.of(realised)
    indexed = index.find(realised, "realised returns")
    has_traded_value = {CLOSE, VOLUME} <= realised.schema.keys()
    return RealisedReturns(
        index,
        {horizon: to_tensor(index, indexed, name) for name, horizon in target_columns(realised.schema).items()},
        to_tensor(index, indexed, CLOSE) * to_tensor(index, indexed, VOLUME) if has_traded_value else None,
    )


def align_forecasts(forecasts: pl.DataFrame, realised: RealisedReturns, horizon: int) -> HorizonForecasts:
    """Align the forecasts over one horizon with the realised returns."""
    if horizon not in realised.returns:
        raise InputError(
            f"Forecasts over {horizon} days cannot be scored: the realised returns have no column {target(horizon)!r}."
        )
    names = (DATE, CODE, FORECAST, *quantile_levels(forecasts.columns))
    selected = forecasts.filter(pl.col(HORIZON) == horizon).select(names)
    finite = selected.filter(pl.col(FORECAST).is_finite())
    indexed = realised.index.find(finite, "forecasts")
    forecast, actual = to_tensor(realised.index, indexed, FORECAST), realised.returns[horizon]
    has_forecast = forecast.isfinite()
    excluded = ExcludedForecasts(
        unknown=len(finite) - len(indexed.rows),
        not_finite=len(selected) - len(finite),
        unrealised=int((has_forecast & ~actual.isfinite()).sum()),
    )
    days = has_forecast.any(-1).nonzero().flatten().tolist()
    period = slice(days[0], days[-1] + 1) if days else slice(0, 0)
    return HorizonForecasts(horizon, realised, period, forecast[period], indexed, excluded)


def require_forecasts(forecasts: pl.DataFrame) -> None:
    """Refuse a table that lacks the columns, types or rows of forecasts."""
    _require_columns(forecasts, (DATE, CODE, HORIZON, FORECAST), "forecasts")
    for name in (HORIZON, FORECAST, *quantile_levels(forecasts.columns)):
        dtype = forecasts.schema[name]
        if not (dtype.is_integer() if name == HORIZON else dtype.is_numeric()):
            kind = "an integer" if name == HORIZON else "a number"
            raise InputError(f"The forecasts' column {name!r} is {dtype}, not {kind}.")
    if forecasts[HORIZON].null_count():
        raise InputError(f"{forecasts[HORIZON].null_count()} forecasts have no {HORIZON}.")


def _require_columns(table: pl.DataFrame, names: tuple[str, ...], table_name: str) -> None:
    """Refuse a table without these columns, without rows, or with a row that has no date or code."""
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise InputError(f"The {table_name} lack the columns {missing}; they have {table.columns}.")
    if table.schema[DATE] != pl.Date:
        raise InputError(f"The {table_name}' {DATE} is {table.schema[DATE]}, not a date: cast it with .dt.date().")
    if not len(table):
        raise InputError(f"There are no {table_name}.")
    for name in (DATE, CODE):
        if table[name].null_count():
            raise InputError(f"{table[name].null_count()} rows of the {table_name} have no {name}.")
