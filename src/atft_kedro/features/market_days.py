"""The market's and each sector's own daily history: what a stock is compared with."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from ..schema import CLOSE, CODE, DATE, SECTOR, VOLUME

MARKET_RETURN = "market_return"
BEFORE, MOVE, TRADED = "before", "move", "traded"
CLIPPED, FEWEST_CLIPPED = 0.05, 3  # the share of a day's returns that is clipped on each side, and of how many
DEFINITION = f"returns over the day's usual span, winsorised by {CLIPPED:g} on each side"  # part of the features' hash


def read_moves(stocks: pl.DataFrame) -> pl.DataFrame:
    """List each row's return since the stock's row before: ``date, sector, before, move, traded``.

    ``stocks`` is sorted by (code, date).
    """
    within = pl.col(CODE) == pl.col(CODE).shift(1)
    return stocks.select(
        DATE,
        SECTOR,
        pl.when(within).then(pl.col(DATE).shift(1)).alias(BEFORE),
        pl.when(within).then(pl.col(CLOSE) / pl.col(CLOSE).shift(1) - 1).alias(MOVE),
        (pl.col(CLOSE) * pl.col(VOLUME)).fill_null(0).alias(TRADED),
    )


def market_days(parts: Iterable[pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Summarise all stocks' moves as one row per day, and one row per day and sector.

    No single stock moves a day's mean or dispersion far. A return counts only where it spans what most stocks'
    returns of that day span, so that one over a gap is not taken for a day's return. The lowest and highest
    returns, 5 % on each side and at least one where there are three, are clipped to the next one inwards.
    Stocks have equal weights; those without a sector form a sector of their own.
    """
    moves = _drop_gaps(pl.concat(parts))
    return _summarise(moves, [DATE]), _summarise(moves, [SECTOR, DATE])


def _drop_gaps(moves: pl.DataFrame) -> pl.DataFrame:
    """Make returns null that do not begin when most returns of their day do.

    That is the newest of equally frequent days.
    """
    spans = moves.drop_nulls(BEFORE).group_by(DATE, BEFORE).len().sort(DATE, "len", BEFORE)
    usual = spans.group_by(DATE).agg(pl.col(BEFORE).last().alias("usual"))
    kept = pl.when((pl.col(BEFORE) == pl.col("usual")) & pl.col(MOVE).is_finite()).then(MOVE).alias(MOVE)
    return moves.join(usual, on=DATE, how="left", maintain_order="left").select(DATE, SECTOR, kept, TRADED)


def _summarise(moves: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Summarise groups of rows; their sums run in the order of the rows, for a threaded one rounds differently."""
    groups = moves.group_by(by).agg(
        pl.col(MOVE).quantile(CLIPPED, "higher").alias("low"),
        pl.col(MOVE).quantile(1 - CLIPPED, "lower").alias("high"),
        pl.col(MOVE).count().cast(pl.Float64).alias("count"),
    )
    groups = groups.sort(by).with_row_index("group")
    rows = moves.join(groups, on=by, how="left", nulls_equal=True, maintain_order="left")
    clipped = pl.when(pl.col("count") < FEWEST_CLIPPED).then(MOVE).otherwise(pl.col(MOVE).clip("low", "high"))
    mean = _add_up(rows, clipped, groups.height) / groups["count"]
    beside = clipped - pl.lit(mean).gather(pl.col("group"))
    variance = _add_up(rows, beside**2, groups.height) / (groups["count"] - 1).clip(0)
    breadth = _add_up(rows, (pl.col(MOVE) > 0).cast(pl.Float64), groups.height) / groups["count"]
    columns = {MARKET_RETURN: mean, "dispersion": variance.sqrt(), "breadth": breadth}
    traded = _add_up(rows, pl.col(TRADED), groups.height).alias(TRADED)
    unknown_unless_finite = (pl.when(values.is_finite()).then(values).alias(name) for name, values in columns.items())
    return groups.select(by).with_columns(*unknown_unless_finite, traded)


def _add_up(rows: pl.DataFrame, values: pl.Expr, groups: int) -> pl.Series:
    """Sum what is known of each group."""
    group, weights = (
        rows.select(each.alias("one"))["one"].to_numpy() for each in (pl.col("group"), values.fill_null(0))
    )
    return pl.Series(np.bincount(group, weights=weights, minlength=groups))
