"""Daily summary of the market and of each sector, used as a reference for single stocks."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from ..schema import CLOSE, CODE, DATE, SECTOR, VOLUME

MARKET_RETURN = "market_return"
START_DAY = "start_day"  # day of the stock's previous observation, on which its return starts
RETURN = "return"
TRADED_VALUE = "traded"  # close times volume
WINSORISED_SHARE = 0.05  # share of a day's returns that are winsorised on each side
MIN_RETURNS_TO_WINSORISE = 3  # a day (or a sector on a day) with fewer returns is not winsorised
# Changing this text changes the feature hash. The usual span starts on the day's most frequent start day.
RETURN_DEFINITION = f"returns over the day's usual span, winsorised by {WINSORISED_SHARE:g} on each side"


def compute_returns(prices: pl.DataFrame) -> pl.DataFrame:
    """Compute each row's return, its start day and its traded value.

    The rows must be sorted by code and date.
    """
    same_stock = pl.col(CODE) == pl.col(CODE).shift(1)
    return prices.select(
        DATE,
        SECTOR,
        pl.when(same_stock).then(pl.col(DATE).shift(1)).alias(START_DAY),
        pl.when(same_stock).then(pl.col(CLOSE) / pl.col(CLOSE).shift(1) - 1).alias(RETURN),
        (pl.col(CLOSE) * pl.col(VOLUME)).fill_null(0).alias(TRADED_VALUE),
    )


def summarise_market(batches: Iterable[pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Summarise the stocks' returns per day, and per day and sector.

    Stocks have equal weights; stocks without a sector together form one sector. Returns that start on another day than
    the day's most frequent start day are ignored. Returns are winsorised: the lowest and highest 5 % are set to the
    nearest remaining return; with three or more returns, this is at least one on each side. It limits the effect of
    one stock on the mean and the dispersion, which is the standard deviation across stocks. The breadth is the share
    of returns above zero.
    """
    returns = _drop_unusual_start_days(pl.concat(batches))
    return _summarise(returns, [DATE]), _summarise(returns, [SECTOR, DATE])


def _drop_unusual_start_days(returns: pl.DataFrame) -> pl.DataFrame:
    """Keep only finite returns that start on the day's most frequent start day.

    On a tie, the newest start day counts. The other returns become null.
    """
    start_days = returns.drop_nulls(START_DAY).group_by(DATE, START_DAY).len().sort(DATE, "len", START_DAY)
    most_frequent = start_days.group_by(DATE).agg(pl.col(START_DAY).last().alias("most_frequent"))
    is_kept = (pl.col(START_DAY) == pl.col("most_frequent")) & pl.col(RETURN).is_finite()
    kept = pl.when(is_kept).then(RETURN).alias(RETURN)
    return returns.join(most_frequent, on=DATE, how="left", maintain_order="left").select(
        DATE, SECTOR, kept, TRADED_VALUE
    )


def _summarise(returns: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Compute mean, dispersion, breadth and traded value of groups of rows.

    Sums are made in row order, because multi-threaded sums differ in the last digits between runs.
    """
    groups = returns.group_by(by).agg(
        pl.col(RETURN).quantile(WINSORISED_SHARE, "higher").alias("low"),
        pl.col(RETURN).quantile(1 - WINSORISED_SHARE, "lower").alias("high"),
        pl.col(RETURN).count().cast(pl.Float64).alias("count"),
    )
    groups = groups.sort(by).with_row_index("group")
    rows = returns.join(groups, on=by, how="left", nulls_equal=True, maintain_order="left")
    winsorised = (
        pl.when(pl.col("count") < MIN_RETURNS_TO_WINSORISE).then(RETURN).otherwise(pl.col(RETURN).clip("low", "high"))
    )
    mean = _sum_groups(rows, winsorised, groups.height) / groups["count"]
    deviation = winsorised - pl.lit(mean).gather(pl.col("group"))
    # One return: 0 / 0 is NaN, which becomes null.
    variance = _sum_groups(rows, deviation**2, groups.height) / (groups["count"] - 1).clip(
        0
    )  # 0 / 0 for one return: NaN, then null
    rising = _sum_groups(rows, (pl.col(RETURN) > 0).cast(pl.Float64), groups.height)
    breadth = rising / groups["count"]
    columns = {MARKET_RETURN: mean, "dispersion": variance.sqrt(), "breadth": breadth}
    traded = _sum_groups(rows, pl.col(TRADED_VALUE), groups.height).alias(TRADED_VALUE)
    finite_columns = (pl.when(values.is_finite()).then(values).alias(name) for name, values in columns.items())
    return groups.select(by).with_columns(*finite_columns, traded)


def _sum_groups(rows: pl.DataFrame, values: pl.Expr, group_count: int) -> pl.Series:
    """Sum the known values of each group, in row order."""
    group, addends = rows.select("group", values.fill_null(0).alias("value")).get_columns()
    return pl.Series(np.bincount(group.to_numpy(), weights=addends.to_numpy(), minlength=group_count))
