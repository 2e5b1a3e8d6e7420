"""The 158 factors of Alpha158 as defined by qlib (github.com/microsoft/qlib, contrib/data/loader.py).

As in qlib, windows at a stock's start are partial (at least one observation). Windows count the stock's own
observations; in qlib they count trading days, and a day without the stock is a missing value. The typical price
(high + low + close) / 3 replaces an unknown vwap.
"""

from collections.abc import Callable
from functools import partial

import polars as pl

from . import feature
from .feature import ROW, Feature, declare

WINDOWS = (5, 10, 20, 30, 60)
FLAT = 2e-5  # a window with a smaller standard deviation is flat: as in qlib it has no correlation and no R²
TINY = 1e-12  # as in qlib: avoids a division by zero
MIN_SAMPLES = 1  # observations of a partial window

OPEN, HIGH, LOW, CLOSE, VOLUME = (pl.col(name) for name in ("open", "high", "low", "close", "volume"))
VWAP = pl.coalesce("vwap", (HIGH + LOW + CLOSE) / 3)
PREVIOUS_CLOSE, CHANGE, VOLUME_CHANGE = pl.col("before"), pl.col("rise"), pl.col("volume_rise")
LOG_VOLUME, LOG_VOLUME_RATIO = pl.col("log_volume"), pl.col("log_volume_ratio")
VOLUME_TIMES_RETURN, ROSE, FELL = pl.col("weighted_move"), pl.col("rose"), pl.col("fell")
TOP, BOTTOM = pl.max_horizontal(OPEN, CLOSE), pl.min_horizontal(OPEN, CLOSE)
WIDTH = HIGH - LOW + TINY


mean = partial(feature.mean, samples=MIN_SAMPLES)
highest = partial(feature.highest, samples=MIN_SAMPLES)
lowest = partial(feature.lowest, samples=MIN_SAMPLES)
std = partial(feature.deviation, samples=2)


def position(extreme: pl.Expr, d: int) -> pl.Expr:
    """Return the position, from 1, of an arg_max or arg_min in its window."""
    return (extreme + 1).rolling(index_column=ROW, period=f"{d}i").cast(pl.Float64)


def quantile(d: int, q: float) -> pl.Expr:
    """Compute a quantile of the window's closes, interpolated."""
    return CLOSE.rolling_quantile(q, interpolation="linear", window_size=d, min_samples=MIN_SAMPLES)


def rank(d: int) -> pl.Expr:
    """Compute the rank of the close in its window, as a share of the window."""
    return CLOSE.rolling_rank(d, min_samples=MIN_SAMPLES) / count(d)


def count(d: int) -> pl.Expr:
    """Count the observations of a window."""
    return (pl.col(ROW) + 1).clip(upper_bound=d).cast(pl.Float64)


def corr(x: pl.Expr, y: pl.Expr, d: int) -> pl.Expr:
    """Compute the correlation over a window; null if one of the two is flat."""
    known = x.is_finite() & y.is_finite()
    x, y = pl.when(known).then(x), pl.when(known).then(y)
    flat = (std(x, d) <= FLAT) | (std(y, d) <= FLAT)
    return pl.when(~flat).then(pl.rolling_corr(x, y, window_size=d, min_samples=2))


def slope(d: int) -> pl.Expr:
    """Compute the least-squares slope of the window's closes on 1 … d."""
    return _covariance(d) / _time_variance(d)


def residual(d: int) -> pl.Expr:
    """Compute the last close minus its value on the window's regression line."""
    return CLOSE - mean(CLOSE, d) - slope(d) * (count(d) - 1) / 2


def rsquare(d: int) -> pl.Expr:
    """Compute the share of the window's variance explained by its regression line."""
    n = count(d)
    variance = CLOSE.rolling_var(d, min_samples=2, ddof=0)
    explained = _covariance(d) ** 2 / (_time_variance(d) * variance)
    return pl.when((std(CLOSE, d) > FLAT) & (n > 1)).then(explained)


def difference(first: str, second: str, d: int) -> pl.Expr:
    """Subtract two factors of the same row."""
    return pl.col(f"{first}{d}") - pl.col(f"{second}{d}")


def _time_variance(d: int) -> pl.Expr:
    return (count(d) ** 2 - 1) / 12


def _covariance(d: int) -> pl.Expr:
    """Compute the covariance (ddof 0) of close with time over a window.

    Time i counts from the window's start. Polars cannot sum i·x over a sliding window, so t·x is averaged, where t
    is the row's number in the stock's history, and the window's mean t times its mean x is subtracted.
    """
    middle = pl.col(ROW) - (count(d) - 1) / 2
    return mean(pl.col("timed_close"), d) - middle * mean(CLOSE, d)


BARS = {
    "KMID": ((CLOSE - OPEN) / OPEN, "close minus open over open"),
    "KLEN": ((HIGH - LOW) / OPEN, "high minus low over open"),
    "KMID2": ((CLOSE - OPEN) / WIDTH, "close minus open over the range"),
    "KUP": ((HIGH - TOP) / OPEN, "upper shadow over open"),
    "KUP2": ((HIGH - TOP) / WIDTH, "upper shadow over the range"),
    "KLOW": ((BOTTOM - LOW) / OPEN, "lower shadow over open"),
    "KLOW2": ((BOTTOM - LOW) / WIDTH, "lower shadow over the range"),
    "KSFT": ((2 * CLOSE - HIGH - LOW) / OPEN, "close against the middle of the range, over open"),
    "KSFT2": ((2 * CLOSE - HIGH - LOW) / WIDTH, "close against the middle of the range"),
    "OPEN0": (OPEN / CLOSE, "open over close"),
    "HIGH0": (HIGH / CLOSE, "high over close"),
    "LOW0": (LOW / CLOSE, "low over close"),
    "VWAP0": (VWAP / CLOSE, "vwap over close"),
}

ROLLING: dict[str, tuple[Callable[[int], pl.Expr], str]] = {
    "ROC": (lambda d: CLOSE.shift(d) / CLOSE, "the close d observations ago over close"),
    "MA": (lambda d: mean(CLOSE, d) / CLOSE, "mean close over close"),
    "STD": (lambda d: std(CLOSE, d) / CLOSE, "standard deviation of close over close"),
    "BETA": (lambda d: slope(d) / CLOSE, "slope of close over close"),
    "RSQR": (rsquare, "R² of the close's regression line"),
    "RESI": (lambda d: residual(d) / CLOSE, "last close minus its regression line, over close"),
    "MAX": (lambda d: highest(HIGH, d) / CLOSE, "highest high over close"),
    "MIN": (lambda d: lowest(LOW, d) / CLOSE, "lowest low over close"),
    "QTLU": (lambda d: quantile(d, 0.8) / CLOSE, "80 % quantile of close over close"),
    "QTLD": (lambda d: quantile(d, 0.2) / CLOSE, "20 % quantile of close over close"),
    "RANK": (rank, "rank of close among its window"),
    "RSV": (
        lambda d: (CLOSE - lowest(LOW, d)) / (highest(HIGH, d) - lowest(LOW, d) + TINY),
        "close between lowest low (0) and highest high (1)",
    ),
    "IMAX": (lambda d: position(HIGH.arg_max(), d) / d, "position of the highest high in the window, over the window"),
    "IMIN": (lambda d: position(LOW.arg_min(), d) / d, "position of the lowest low in the window, over the window"),
    "IMXD": (
        lambda d: difference("IMAX", "IMIN", d),
        "IMAX minus IMIN: observations from the lowest low to the highest high, over the window",
    ),
    "CORR": (lambda d: corr(CLOSE, LOG_VOLUME, d), "correlation of close with log volume"),
    "CORD": (
        lambda d: corr(CLOSE / PREVIOUS_CLOSE, LOG_VOLUME_RATIO, d),
        "correlation of close's ratio with log volume's ratio",
    ),
    "CNTP": (lambda d: mean(ROSE, d), "share of observations whose close rose"),
    "CNTN": (lambda d: mean(FELL, d), "share of observations whose close fell"),
    "CNTD": (lambda d: difference("CNTP", "CNTN", d), "CNTP minus CNTN"),
    "SUMP": (
        lambda d: _sum_rises(CHANGE, d) / _sum_changes(CHANGE, d),
        "sum of the close's rises over the sum of its absolute changes",
    ),
    "SUMN": (
        lambda d: _sum_rises(-CHANGE, d) / _sum_changes(CHANGE, d),
        "sum of the close's falls over the sum of its absolute changes",
    ),
    "SUMD": (lambda d: difference("SUMP", "SUMN", d), "SUMP minus SUMN"),
    "VMA": (lambda d: mean(VOLUME, d) / (VOLUME + TINY), "mean volume over volume"),
    "VSTD": (lambda d: std(VOLUME, d) / (VOLUME + TINY), "standard deviation of volume over volume"),
    "WVMA": (
        lambda d: std(VOLUME_TIMES_RETURN, d) / (mean(VOLUME_TIMES_RETURN, d) + TINY),
        "standard deviation of absolute return times volume, over its mean",
    ),
    "VSUMP": (
        lambda d: _sum_rises(VOLUME_CHANGE, d) / _sum_changes(VOLUME_CHANGE, d),
        "sum of the volume's rises over the sum of its absolute changes",
    ),
    "VSUMN": (
        lambda d: _sum_rises(-VOLUME_CHANGE, d) / _sum_changes(VOLUME_CHANGE, d),
        "sum of the volume's falls over the sum of its absolute changes",
    ),
    "VSUMD": (lambda d: difference("VSUMP", "VSUMN", d), "VSUMP minus VSUMN"),
}


def _sum_rises(change: pl.Expr, d: int) -> pl.Expr:
    return change.clip(0).rolling_sum(d, min_samples=MIN_SAMPLES)


def _sum_changes(change: pl.Expr, d: int) -> pl.Expr:
    return change.abs().rolling_sum(d, min_samples=MIN_SAMPLES) + TINY


# Computed from two other factors of the row, after all of them.
DIFFERENCES = ("IMXD", "CNTD", "SUMD", "VSUMD")

ALPHA158 = [
    *declare("alpha158 bar", *((name, expression, 0, description) for name, (expression, description) in BARS.items())),
    *(
        Feature(
            name=f"{name}{d}",
            expression=build(d),
            family=f"alpha158 {name}",
            lookback=d,
            description=f"{description}, {d} observations",
            scope="row" if name in DIFFERENCES else "stock",
        )
        for name, (build, description) in ROLLING.items()
        for d in WINDOWS
    ),
]
