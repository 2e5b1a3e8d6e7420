"""Prices as arrays over (day, stock), with the returns of stocks that are delisted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..panel.index import DayStockIndex
from ..params import InputError
from ..schema import CLOSE, CODE, DATE, DELISTING_RETURN, HIGH, LOW, OPEN, SECTOR, VOLUME

Floats = NDArray[np.float64]

NO_SECTOR = -1


@dataclass(frozen=True)
class PriceArrays:
    """Prices (day, stock); NaN where a stock has no row, so that it cannot be traded.

    ``terminal_day`` is the index of the day on which holders of a delisted stock earn ``terminal_return``; it is the
    count of days for a stock that is not delisted by then. ``sector`` is the last known one of the whole period.
    """

    index: DayStockIndex
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    traded_value: Floats  # close times volume
    sector: NDArray[np.int64]  # (stock,); NO_SECTOR: unknown
    terminal_day: NDArray[np.int64]  # (stock,)
    terminal_return: Floats  # (stock,)

    @cached_property
    def marks(self) -> Floats:
        """Return each day's last known close: NaN before a stock's first row."""
        return fill_forward(self.close)

    @cached_property
    def returns(self) -> Floats:
        """Return the returns from the last known close to the day's close; NaN without either."""
        returns = np.full_like(self.close, np.nan)
        returns[1:] = self.close[1:] / self.marks[:-1] - 1
        return returns

    @cached_property
    def overnight(self) -> Floats:
        """Return the returns from the last known close to the open; NaN without either."""
        returns = np.full_like(self.close, np.nan)
        returns[1:] = np.where(np.isfinite(self.close), self.open, np.nan)[1:] / self.marks[:-1] - 1
        return returns


def fill_forward(values: Floats) -> Floats:
    """Replace each NaN by the last known value of the stock."""
    rows = np.where(np.isfinite(values), np.arange(len(values))[:, None], 0)
    filled: Floats = np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)
    return filled


def read_price_arrays(
    dataset: pl.LazyFrame,
    days: tuple[date, date],
    history: int,
    delistings: pl.DataFrame,
    delisting_return: float,
) -> PriceArrays:
    """Read the prices from ``history`` market days before the first day to the last day.

    A stock that has no row after some day is delisted: it earns the return in ``delistings``, or else
    ``delisting_return``.
    """
    names = _require_prices(dataset.collect_schema())
    first, last = days
    market_days = dataset.select(pl.col(DATE).unique().sort()).collect()[DATE]
    start = market_days[max(int((market_days < first).sum()) - history, 0)]
    table = dataset.filter(pl.col(DATE).is_between(start, last)).select(names).collect()
    index = DayStockIndex.of(table)
    rows = index.find(table, "prices")
    values = {name: index.to_array(rows, name) for name in names if name not in (DATE, CODE, SECTOR)}
    for name in (OPEN, HIGH, LOW, CLOSE):
        values[name] = np.where(values.get(name, values[CLOSE]) > 0, values.get(name, values[CLOSE]), np.nan)
    ends = dataset.group_by(CODE).agg(pl.col(DATE).max().alias("last")).collect()
    terminal_day, terminal_return = _find_delisted(index, ends, delistings, delisting_return)
    return PriceArrays(
        index=index,
        open=values[OPEN],
        high=values[HIGH],
        low=values[LOW],
        close=values[CLOSE],
        traded_value=values[CLOSE] * values.get(VOLUME, np.full_like(values[CLOSE], np.nan)),
        sector=_number_sectors(table, index),
        terminal_day=terminal_day,
        terminal_return=terminal_return,
    )


def _require_prices(schema: pl.Schema) -> Sequence[str]:
    """List the columns to read; refuse a dataset without closes."""
    if CLOSE not in schema:
        raise InputError(
            f"The dataset has no column {CLOSE!r}, so positions cannot be valued. Name its price columns under "
            "`columns:` in conf/, or set positions.enabled=false."
        )
    return [name for name in (DATE, CODE, SECTOR, OPEN, HIGH, LOW, CLOSE, VOLUME) if name in schema]


def _find_delisted(
    index: DayStockIndex, ends: pl.DataFrame, delistings: pl.DataFrame, default: float
) -> tuple[NDArray[np.int64], Floats]:
    """Find the day on which the holders of each delisted stock earn its last return, and this return.

    It is the date in the table, at the earliest the day after the stock's last row.
    """
    ends = ends.with_columns(pl.col(CODE).cast(pl.String))
    stocks = pl.DataFrame({CODE: index.codes}).join(ends, on=CODE, how="left", maintain_order="left")
    stocks = stocks.join(delistings, on=CODE, how="left", maintain_order="left")
    days = index.days.to_numpy()
    after_last = np.searchsorted(days, stocks["last"].to_numpy(), side="right")
    dated = np.searchsorted(days, stocks[DATE].fill_null(stocks["last"]).to_numpy(), side="left")
    returns = stocks[DELISTING_RETURN].cast(pl.Float64).fill_null(default).to_numpy()
    return np.maximum(after_last, dated).astype(np.int64), returns


def _number_sectors(table: pl.DataFrame, index: DayStockIndex) -> NDArray[np.int64]:
    """Assign a number to each stock's last known sector."""
    if SECTOR not in table.columns:
        return np.full(len(index.codes), NO_SECTOR, dtype=np.int64)
    table = table.select(DATE, pl.col(CODE).cast(pl.String), SECTOR)
    last = table.sort(DATE).group_by(CODE).agg(pl.col(SECTOR).drop_nulls().last())
    joined = pl.DataFrame({CODE: index.codes}).join(last, on=CODE, how="left", maintain_order="left")
    numbers = joined[SECTOR].cast(pl.String).rank("dense").cast(pl.Int64) - 1
    return numbers.fill_null(NO_SECTOR).to_numpy()
