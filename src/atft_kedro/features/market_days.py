"""Daily history of the market and of each sector, to compare stocks with."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from ..schema import CLOSE, CODE, DATE, SECTOR, VOLUME

MARKET_RETURN = "market_return"
BEFORE, MOVE, TRADED = "before", "move", "traded"  # BEFORE: day of the previous observation
CLIPPED, FEWEST_CLIPPED = 0.05, 3  # share of a day's returns clipped on each side; fewer returns are not clipped
DEFINITION = f"returns over the day's usual span, winsorised by {CLIPPED:g} on each side"  # part of the features' hash


def read_moves(stocks: pl.DataFrame) -> pl.DataFrame:
    """Compute each row's return since the stock's previous row, of rows sorted by (code, date)."""
    within = pl.col(CODE) == pl.col(CODE).shift(1)
    return stocks.select(
        DATE,
        SECTOR,
        pl.when(within).then(pl.col(DATE).shift(1)).alias(BEFORE),
        pl.when(within).then(pl.col(CLOSE) / pl.col(CLOSE).shift(1) - 1).alias(MOVE),
        (pl.col(CLOSE) * pl.col(VOLUME)).fill_null(0).alias(TRADED),
    )


def summarise_market(batches: Iterable[pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Summarise the stocks' returns per day, and per day and sector.

    Stocks have equal weights; those without a sector form one sector. Returns over a gap, which span more days than
    most stocks' returns of that day, do not count. The lowest and highest 5 % of returns are clipped to the next one
    inwards, at least one on each side where there are three, so that one stock hardly changes mean and dispersion.
    """
    moves = _drop_gaps(pl.concat(batches))
    return _summarise(moves, [DATE]), _summarise(moves, [SECTOR, DATE])


def _drop_gaps(moves: pl.DataFrame) -> pl.DataFrame:
    """Set returns to null that start on another day than most; of equally frequent days the newest."""
    spans = moves.drop_nulls(BEFORE).group_by(DATE, BEFORE).len().sort(DATE, "len", BEFORE)
    usual = spans.group_by(DATE).agg(pl.col(BEFORE).last().alias("usual"))
    kept = pl.when((pl.col(BEFORE) == pl.col("usual")) & pl.col(MOVE).is_finite()).then(MOVE).alias(MOVE)
    return moves.join(usual, on=DATE, how="left", maintain_order="left").select(DATE, SECTOR, kept, TRADED)


def _summarise(moves: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Summarise groups of rows, with sums in row order: threaded sums would round differently."""
    groups = moves.group_by(by).agg(
        pl.col(MOVE).quantile(CLIPPED, "higher").alias("low"),
        pl.col(MOVE).quantile(1 - CLIPPED, "lower").alias("high"),
        pl.col(MOVE).count().cast(pl.Float64).alias("count"),
    )
    groups = groups.sort(by).with_row_index("group")
    rows = moves.join(groups, on=by, how="left", nulls_equal=True, maintain_order="left")
    clipped = pl.when(pl.col("count") < FEWEST_CLIPPED).then(MOVE).otherwise(pl.col(MOVE).clip("low", "high"))
    mean = _sum_groups(rows, clipped, groups.height) / groups["count"]
    deviation = clipped - pl.lit(mean).gather(pl.col("group"))
    variance = _sum_groups(rows, deviation**2, groups.height) / (groups["count"] - 1).clip(0)
    breadth = _sum_groups(rows, (pl.col(MOVE) > 0).cast(pl.Float64), groups.height) / groups["count"]
    columns = {MARKET_RETURN: mean, "dispersion": variance.sqrt(), "breadth": breadth}
    traded = _sum_groups(rows, pl.col(TRADED), groups.height).alias(TRADED)
    unknown_unless_finite = (pl.when(values.is_finite()).then(values).alias(name) for name, values in columns.items())
    return groups.select(by).with_columns(*unknown_unless_finite, traded)


def _sum_groups(rows: pl.DataFrame, values: pl.Expr, groups: int) -> pl.Series:
    """Sum the known values of each group, in row order."""
    group, weights = rows.select("group", values.fill_null(0).alias("value")).get_columns()
    return pl.Series(np.bincount(group.to_numpy(), weights=weights.to_numpy(), minlength=groups))
