"""Prices as arrays over (day, stock), with the returns of stocks that are delisted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..panel.index import DayStockIndex
from ..schema import CLOSE, CODE, DATE, DELISTING_RETURN, HIGH, LOW, OPEN, SECTOR, VOLUME

Floats = NDArray[np.float64]

NO_SECTOR = -1
LIQUIDITY_DAYS = 20


@dataclass(frozen=True)
class PriceArrays:
    """Prices (day, stock); NaN where a stock has no row, so that it cannot be traded.

    ``terminal_day`` is the index of the day on which holders of a delisted stock earn ``terminal_return``; it is the
    count of days for a stock that is not delisted by then.
    """

    index: DayStockIndex
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    traded_value: Floats  # close times volume
    sector: NDArray[np.int64]  # (stock,) last known number; NO_SECTOR: unknown
    terminal_day: NDArray[np.int64]  # (stock,)
    terminal_return: Floats  # (stock,)
    is_in_delistings: NDArray[np.bool_]  # (stock,) whether the table of delistings has the terminal return

    @cached_property
    def marks(self) -> Floats:
        """Return each day's last known close: NaN before a stock's first row."""
        return fill_forward(self.close)

    @cached_property
    def returns(self) -> Floats:
        """Return the returns from the last known close to the day's close; NaN without either."""
        return self._grow_to(self.close)

    @cached_property
    def overnight(self) -> Floats:
        """Return the returns from the last known close to the open; NaN without either."""
        return self._grow_to(np.where(np.isfinite(self.close), self.open, np.nan))

    @cached_property
    def daily_value(self) -> Floats:
        """Return the median traded value of the last 20 days; a missing one counts as 0."""
        traded_value = pl.DataFrame(np.where(np.isfinite(self.traded_value), self.traded_value, 0.0))
        return traded_value.select(pl.all().rolling_median(LIQUIDITY_DAYS, min_samples=1)).to_numpy()

    def _grow_to(self, prices: Floats) -> Floats:
        returns = np.full_like(prices, np.nan)
        returns[1:] = prices[1:] / self.marks[:-1] - 1
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
    held: Sequence[str] = (),
) -> PriceArrays:
    """Read the prices from ``history`` market days before the first day to the last day.

    A stock that has no row after some day is delisted: it earns the return in ``delistings``, or else
    ``delisting_return``. The ``held`` stocks are included, with or without prices.
    """
    schema = dataset.collect_schema()
    market_days = dataset.select(pl.col(DATE).unique().sort()).collect()[DATE]
    start = market_days[max(int((market_days < days[0]).sum()) - history, 0)]
    sector = pl.col(SECTOR).cast(pl.String).rank("dense") if SECTOR in schema else pl.lit(None, pl.Float64)
    prices = [name for name in (CLOSE, OPEN, HIGH, LOW, VOLUME) if name in schema]
    rows = dataset.filter(pl.col(DATE).is_between(start, days[1]))
    table = rows.select(DATE, pl.col(CODE).cast(pl.String), *prices, sector.alias(SECTOR)).collect()
    codes = pl.concat([table[CODE], pl.Series(CODE, held, pl.String)]).unique().sort()
    index = DayStockIndex(table[DATE].unique().sort(), codes)
    indexed = index.find(table, "prices")
    values = {name: index.to_array(indexed, name) for name in (*prices, SECTOR)}
    for name in (CLOSE, OPEN, HIGH, LOW):
        price = values.get(name, values[CLOSE])
        values[name] = np.where(price > 0, price, np.nan)
    terminal_day, terminal_return, is_in_delistings = _find_delisted(index, dataset, delistings, delisting_return)
    return PriceArrays(
        index=index,
        open=values[OPEN],
        high=values[HIGH],
        low=values[LOW],
        close=values[CLOSE],
        traded_value=values[CLOSE] * values.get(VOLUME, np.nan),
        sector=np.where(np.isfinite(last := fill_forward(values[SECTOR])[-1]), last, NO_SECTOR).astype(np.int64),
        terminal_day=terminal_day,
        terminal_return=terminal_return,
        is_in_delistings=is_in_delistings,
    )


def _find_delisted(
    index: DayStockIndex, dataset: pl.LazyFrame, delistings: pl.DataFrame, default: float
) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_]]:
    """Find each stock's terminal day and return, and whether the table has them.

    The day is that of the table, at the earliest the day after the stock's last row.
    """
    last_rows = dataset.group_by(pl.col(CODE).cast(pl.String)).agg(pl.col(DATE).max().alias("last")).collect()
    stocks = index.codes.to_frame(CODE)
    for table in (last_rows, delistings):
        stocks = stocks.join(table, on=CODE, how="left", maintain_order="left")
    last = stocks["last"].fill_null(date.min)  # a held stock may have no row at all
    days, dated = index.days.to_numpy(), stocks[DATE].fill_null(last)
    terminal_day = np.maximum(np.searchsorted(days, last, side="right"), np.searchsorted(days, dated, side="left"))
    terminal_return = stocks[DELISTING_RETURN].cast(pl.Float64)
    return terminal_day, terminal_return.fill_null(default).to_numpy(), terminal_return.is_not_null().to_numpy()
