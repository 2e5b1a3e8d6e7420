"""The market's and each sector's own daily history: what a stock is compared with."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from ..schema import CLOSE, CODE, DATE, SECTOR, VOLUME

MARKET_RETURN = "market_return"
SUMS = ("moves", "squares", "known", "ups", "traded")


def sum_days(stocks: pl.DataFrame) -> pl.DataFrame:
    """Sum what the day statistics need over some stocks, by date and sector; ``stocks`` sorted by (code, date)."""
    within = pl.col(CODE) == pl.col(CODE).shift(1)
    move = pl.when(within).then(pl.col(CLOSE) / pl.col(CLOSE).shift(1) - 1)
    rows = stocks.select(
        DATE,
        SECTOR,
        move.fill_null(0).alias("moves"),
        (move**2).fill_null(0).alias("squares"),
        move.is_not_null().cast(pl.Float64).alias("known"),
        (move > 0).fill_null(False).cast(pl.Float64).alias("ups"),
        (pl.col(CLOSE) * pl.col(VOLUME)).fill_null(0).alias("traded"),
    )
    return _add_up(rows, [DATE, SECTOR])


def market_days(parts: Iterable[pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add the parts up to one row per day, and one row per day and sector.

    Equal weights; stocks of no sector form a sector of their own.
    """
    sums = pl.concat(parts)
    sectors = _add_up(sums, [DATE, SECTOR]).sort(SECTOR, DATE)
    return _summarise(_add_up(sums, [DATE]).sort(DATE), [DATE]), _summarise(sectors, [DATE, SECTOR])


def _add_up(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Sum groups in the order of their rows: a threaded group-by would round differently from run to run."""
    keys = rows.select(by).unique(maintain_order=True).with_row_index("group")
    group = rows.select(by).join(keys, on=by, how="left", nulls_equal=True, maintain_order="left")["group"].to_numpy()
    sums = {name: np.bincount(group, weights=rows[name].to_numpy(), minlength=keys.height) for name in SUMS}
    return keys.drop("group").with_columns(pl.Series(name, values) for name, values in sums.items())


def _summarise(sums: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    known = pl.col("known")
    mean = pl.when(known > 0).then(pl.col("moves") / known)
    variance = pl.when(known > 1).then((pl.col("squares") - known * mean**2) / (known - 1))
    return sums.select(
        *by,
        mean.alias(MARKET_RETURN),
        variance.clip(0).sqrt().alias("dispersion"),
        pl.when(known > 0).then(pl.col("ups") / known).alias("breadth"),
        pl.col("traded"),
    )
