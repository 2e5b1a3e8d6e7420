"""Daily returns, traded values and sectors as matrices (day, stock)."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl

from ..panel.index import PanelIndex
from ..panel.universe import traded_value
from ..params import InputError
from ..schema import CLOSE, CODE, DATE, SECTOR, VOLUME, target

RETURN, TRADED = "return", "traded"


@dataclass(frozen=True)
class MarketHistory:
    """Daily matrices of a market; unknown values are NaN, unknown sectors −1."""

    index: PanelIndex
    returns: np.ndarray  # float32 (day, stock)
    traded: np.ndarray  # float32 (day, stock), close times volume
    sector: np.ndarray  # int16 (day, stock)

    def subtract_market_median(self) -> np.ndarray:
        """Return the returns minus the day's median return of the universe.

        One wrong price hardly changes a median.
        """
        eligible = np.where(self.index.eligible, self.returns, np.nan)
        market = np.zeros((len(eligible), 1), dtype=np.float32)
        known = np.isfinite(eligible).any(axis=1)
        market[known, 0] = np.nanmedian(eligible[known], axis=1)
        relative: np.ndarray = self.returns - market
        return relative

    def keep_newest_days(self, days: int) -> Self:
        """Drop all but the newest days."""
        last = slice(max(len(self.index.days) - days, 0), None)
        axes = replace(self.index.axes, days=self.index.axes.days[last])
        index = replace(self.index, axes=axes, row_of=self.index.row_of[last], eligible=self.index.eligible[last])
        return replace(
            self, index=index, returns=self.returns[last], traded=self.traded[last], sector=self.sector[last]
        )


def compute_market_history(frame: pl.LazyFrame, index: PanelIndex, entry_lag: int) -> MarketHistory:
    """Compute each stock's returns from its closes, or from past targets if there are no closes."""
    schema = frame.collect_schema()
    traded = traded_value() if {CLOSE, VOLUME} <= schema.keys() else pl.lit(None)
    sector = pl.col(SECTOR).cast(pl.String) if SECTOR in schema else pl.lit(None, dtype=pl.String)
    needed = {DATE, CODE, CLOSE, VOLUME, SECTOR, target(1)} & schema.keys()
    rows = frame.select(needed).collect().lazy().sort(DATE, maintain_order=True)
    columns = rows.select(
        DATE,
        CODE,
        _keep_finite(_return(schema, entry_lag)).alias(RETURN),
        _keep_finite(traded).alias(TRADED),
        sector.rank("dense").cast(pl.Int16).fill_null(-1).alias(SECTOR),
    ).collect()
    indexed = index.axes.find(columns)
    return MarketHistory(
        index=index,
        returns=index.axes.to_array(indexed, RETURN, np.float32),
        traded=index.axes.to_array(indexed, TRADED, np.float32),
        sector=index.axes.to_array(indexed, SECTOR, np.int16, unknown=-1),
    )


def _keep_finite(value: pl.Expr) -> pl.Expr:
    """Convert a column to float32; values that are not finite become null."""
    number = value.cast(pl.Float32)
    return pl.when(number.is_finite()).then(number)


def _return(schema: pl.Schema, entry_lag: int) -> pl.Expr:
    """Return the expression of the return known at the day's close."""
    if CLOSE in schema:
        close = pl.when(pl.col(CLOSE) > 0).then(pl.col(CLOSE))
        return (close / close.shift(1) - 1).over(CODE)
    if target(1) in schema:
        return pl.col(target(1)).shift(1 + entry_lag).over(CODE)
    raise InputError(f"Graphs need returns: the ML dataset has neither {CLOSE!r} nor {target(1)!r}.")
