"""What graphs are built from: daily returns, traded values and sectors as matrices of days and stocks."""

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
    """A market's days; NaN and −1 where nothing is known."""

    index: PanelIndex
    returns: np.ndarray  # float32 (day, stock)
    traded: np.ndarray  # float32 (day, stock), close times volume
    sector: np.ndarray  # int16 (day, stock)

    def subtract_market_median(self) -> np.ndarray:
        """Take from each return the median of the day's universe, which no single wrong price can move far."""
        inside = np.where(self.index.eligible, self.returns, np.nan)
        market = np.zeros((len(inside), 1), dtype=np.float32)
        known = np.isfinite(inside).any(axis=1)
        market[known, 0] = np.nanmedian(inside[known], axis=1)
        relative: np.ndarray = self.returns - market
        return relative

    def newest(self, days: int) -> Self:
        """Keep the newest days alone."""
        last = slice(max(len(self.index.days) - days, 0), None)
        index = replace(
            self.index, days=self.index.days[last], row_of=self.index.row_of[last], eligible=self.index.eligible[last]
        )
        return replace(
            self, index=index, returns=self.returns[last], traded=self.traded[last], sector=self.sector[last]
        )


def read_returns(frame: pl.LazyFrame, index: PanelIndex, entry_lag: int) -> MarketHistory:
    """Read each stock's returns along its own observations: from its closes, else from its targets."""
    schema = frame.collect_schema()
    own = {
        RETURN: _return(schema, entry_lag),
        TRADED: traded_value() if {CLOSE, VOLUME} <= schema.keys() else pl.lit(None),
        SECTOR: pl.col(SECTOR).cast(pl.String) if SECTOR in schema else pl.lit(None, dtype=pl.String),
    }
    needed = {DATE, CODE, CLOSE, VOLUME, SECTOR, target(1)} & schema.keys()
    rows = frame.select(needed).collect().lazy().sort(DATE, maintain_order=True)
    laid_out = rows.select(
        DATE,
        CODE,
        own[RETURN].cast(pl.Float32).alias(RETURN),
        own[TRADED].cast(pl.Float32).alias(TRADED),
        own[SECTOR].rank("dense").cast(pl.Int16).fill_null(-1).alias(SECTOR),
    ).collect()
    place = index.find(laid_out)
    return MarketHistory(
        index=index,
        returns=_spread(laid_out[RETURN], index, place),
        traded=_spread(laid_out[TRADED], index, place),
        sector=_spread(laid_out[SECTOR], index, place, nothing=-1),
    )


def _return(schema: pl.Schema, entry_lag: int) -> pl.Expr:
    """Take the return that was known at the day's close."""
    if CLOSE in schema:
        close = pl.when(pl.col(CLOSE) > 0).then(pl.col(CLOSE))
        return (close / close.shift(1) - 1).over(CODE)
    if target(1) in schema:
        return pl.col(target(1)).shift(1 + entry_lag).over(CODE)
    raise InputError(f"Graphs need returns: the ML dataset carries neither {CLOSE!r} nor {target(1)!r}.")


def _spread(
    values: pl.Series, index: PanelIndex, place: tuple[np.ndarray, np.ndarray], nothing: float = np.nan
) -> np.ndarray:
    """Lay a column out over days and stocks; what is not finite is nothing."""
    column = values.to_numpy()
    matrix = np.full(index.row_of.shape, nothing, dtype=column.dtype)
    matrix[place] = np.where(np.isfinite(column), column, nothing)
    return matrix
