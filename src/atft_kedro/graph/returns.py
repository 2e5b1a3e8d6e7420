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
        index = replace(
            self.index, days=self.index.days[last], row_of=self.index.row_of[last], eligible=self.index.eligible[last]
        )
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
        _return(schema, entry_lag).cast(pl.Float32).alias(RETURN),
        traded.cast(pl.Float32).alias(TRADED),
        sector.rank("dense").cast(pl.Int16).fill_null(-1).alias(SECTOR),
    ).collect()
    cells = index.find(columns)
    return MarketHistory(
        index=index,
        returns=_to_matrix(columns[RETURN], index, cells),
        traded=_to_matrix(columns[TRADED], index, cells),
        sector=_to_matrix(columns[SECTOR], index, cells, unknown=-1),
    )


def _return(schema: pl.Schema, entry_lag: int) -> pl.Expr:
    """Return the expression of the return known at the day's close."""
    if CLOSE in schema:
        close = pl.when(pl.col(CLOSE) > 0).then(pl.col(CLOSE))
        return (close / close.shift(1) - 1).over(CODE)
    if target(1) in schema:
        return pl.col(target(1)).shift(1 + entry_lag).over(CODE)
    raise InputError(f"Graphs need returns: the ML dataset has neither {CLOSE!r} nor {target(1)!r}.")


def _to_matrix(
    column: pl.Series, index: PanelIndex, cells: tuple[np.ndarray, np.ndarray], unknown: float = np.nan
) -> np.ndarray:
    """Convert a column to a matrix (day, stock); values that are not finite become ``unknown``."""
    values = column.to_numpy()
    matrix = np.full(index.row_of.shape, unknown, dtype=values.dtype)
    matrix[cells] = np.where(np.isfinite(values), values, unknown)
    return matrix
