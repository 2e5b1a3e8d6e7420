"""The 158 factors of Alpha158 as defined by qlib (github.com/microsoft/qlib, contrib/data/loader.py).

As in qlib, windows at a stock's start are partial: at least one observation, two for standard deviations and
correlations. Windows count the stock's own observations; in qlib they count trading days, and a day without the stock
is a missing value. The typical price (high + low + close) / 3 replaces an unknown vwap.
"""

from collections.abc import Callable
from functools import partial

import polars as pl

from . import feature
from .feature import ROW, Feature, declare

WINDOWS = (5, 10, 20, 30, 60)
MIN_DEVIATION = 2e-5  # up to this standard deviation, correlation and R² are null, as in qlib
TINY = 1e-12  # as in qlib: avoids a division by zero
MIN_SAMPLES = 1  # least number of observations in a window

OPEN, HIGH, LOW, CLOSE, VOLUME = (pl.col(name) for name in ("open", "high", "low", "close", "volume"))
VWAP = pl.coalesce("vwap", (HIGH + LOW + CLOSE) / 3)
PREVIOUS_CLOSE, CLOSE_CHANGE, VOLUME_CHANGE = pl.col("before"), pl.col("rise"), pl.col("volume_rise")
LOG_VOLUME, LOG_VOLUME_RATIO = pl.col("log_volume"), pl.col("log_volume_ratio")
VOLUME_TIMES_ABS_RETURN, ROSE, FELL = pl.col("weighted_move"), pl.col("rose"), pl.col("fell")
BODY_TOP, BODY_BOTTOM = pl.max_horizontal(OPEN, CLOSE), pl.min_horizontal(OPEN, CLOSE)
RANGE = HIGH - LOW + TINY


mean = partial(feature.mean, samples=MIN_SAMPLES)
highest = partial(feature.highest, samples=MIN_SAMPLES)
lowest = partial(feature.lowest, samples=MIN_SAMPLES)
std = partial(feature.deviation, samples=2)


def position(extreme: pl.Expr, d: int) -> pl.Expr:
    """Return the position (1 = first) of a maximum or minimum in a window.

    ``extreme`` is an arg_max or arg_min.
    """
    return (extreme + 1).rolling(index_column=ROW, period=f"{d}i").cast(pl.Float64)


def close_quantile(d: int, q: float) -> pl.Expr:
    """Compute a linearly interpolated quantile of the closes in a window."""
    return CLOSE.rolling_quantile(q, interpolation="linear", window_size=d, min_samples=MIN_SAMPLES)


def close_rank(d: int) -> pl.Expr:
    """Compute the rank of the close in its window, divided by the number of observations."""
    return CLOSE.rolling_rank(d, min_samples=MIN_SAMPLES) / count(d)


def count(d: int) -> pl.Expr:
    """Count the observations of a window."""
    return (pl.col(ROW) + 1).clip(upper_bound=d).cast(pl.Float64)


def corr(x: pl.Expr, y: pl.Expr, d: int) -> pl.Expr:
    """Compute the correlation in a window; null if one of the two hardly varies."""
    known = x.is_finite() & y.is_finite()
    x, y = pl.when(known).then(x), pl.when(known).then(y)
    is_flat = (std(x, d) <= MIN_DEVIATION) | (std(y, d) <= MIN_DEVIATION)
    return pl.when(~is_flat).then(pl.rolling_corr(x, y, window_size=d, min_samples=2))


def close_slope(d: int) -> pl.Expr:
    """Compute the least-squares slope of the closes on their number in the window."""
    return _covariance(d) / _time_variance(d)


def close_residual(d: int) -> pl.Expr:
    """Compute the last close minus its value on the window's regression line."""
    return CLOSE - mean(CLOSE, d) - close_slope(d) * (count(d) - 1) / 2


def close_r2(d: int) -> pl.Expr:
    """Compute the share of the window's variance explained by its regression line."""
    n = count(d)
    variance = CLOSE.rolling_var(d, min_samples=2, ddof=0)
    explained = _covariance(d) ** 2 / (_time_variance(d) * variance)
    return pl.when((std(CLOSE, d) > MIN_DEVIATION) & (n > 1)).then(explained)


def difference(first: str, second: str, d: int) -> pl.Expr:
    """Subtract two factors of the same row."""
    return pl.col(f"{first}{d}") - pl.col(f"{second}{d}")


def _time_variance(d: int) -> pl.Expr:
    return (count(d) ** 2 - 1) / 12


def _covariance(d: int) -> pl.Expr:
    """Compute the covariance (ddof 0) of the close x with time t in a window.

    It is mean(t·x) − mean(t)·mean(x), where t is the row's number in the stock's history instead of its number in the
    window: a constant shift of t does not change a covariance.
    """
    mean_time = pl.col(ROW) - (count(d) - 1) / 2
    return mean(pl.col("timed_close"), d) - mean_time * mean(CLOSE, d)


BARS = {
    "KMID": ((CLOSE - OPEN) / OPEN, "close minus open, divided by open"),
    "KLEN": ((HIGH - LOW) / OPEN, "high minus low, divided by open"),
    "KMID2": ((CLOSE - OPEN) / RANGE, "close minus open, divided by the range"),
    "KUP": ((HIGH - BODY_TOP) / OPEN, "upper shadow divided by open"),
    "KUP2": ((HIGH - BODY_TOP) / RANGE, "upper shadow divided by the range"),
    "KLOW": ((BODY_BOTTOM - LOW) / OPEN, "lower shadow divided by open"),
    "KLOW2": ((BODY_BOTTOM - LOW) / RANGE, "lower shadow divided by the range"),
    "KSFT": ((2 * CLOSE - HIGH - LOW) / OPEN, "2 × (close minus the middle of the range), divided by open"),
    "KSFT2": ((2 * CLOSE - HIGH - LOW) / RANGE, "2 × (close minus the middle of the range), divided by the range"),
    "OPEN0": (OPEN / CLOSE, "open divided by close"),
    "HIGH0": (HIGH / CLOSE, "high divided by close"),
    "LOW0": (LOW / CLOSE, "low divided by close"),
    "VWAP0": (VWAP / CLOSE, "vwap divided by close"),
}

ROLLING: dict[str, tuple[Callable[[int], pl.Expr], str]] = {
    "ROC": (lambda d: CLOSE.shift(d) / CLOSE, "the close d observations ago, divided by close"),
    "MA": (lambda d: mean(CLOSE, d) / CLOSE, "mean close divided by close"),
    "STD": (lambda d: std(CLOSE, d) / CLOSE, "standard deviation of close, divided by close"),
    "BETA": (lambda d: close_slope(d) / CLOSE, "slope of close in time, divided by close"),
    "RSQR": (close_r2, "R² of the close's regression line"),
    "RESI": (
        lambda d: close_residual(d) / CLOSE,
        "last close minus its value on the regression line, divided by close",
    ),
    "MAX": (lambda d: highest(HIGH, d) / CLOSE, "highest high divided by close"),
    "MIN": (lambda d: lowest(LOW, d) / CLOSE, "lowest low divided by close"),
    "QTLU": (lambda d: close_quantile(d, 0.8) / CLOSE, "80 % quantile of close, divided by close"),
    "QTLD": (lambda d: close_quantile(d, 0.2) / CLOSE, "20 % quantile of close, divided by close"),
    "RANK": (close_rank, "rank of the close within its window, as a share"),
    "RSV": (
        lambda d: (CLOSE - lowest(LOW, d)) / (highest(HIGH, d) - lowest(LOW, d) + TINY),
        "position of the close between the lowest low (0) and the highest high (1)",
    ),
    "IMAX": (
        lambda d: position(HIGH.arg_max(), d) / d,
        "position of the highest high in the window, divided by the window's length",
    ),
    "IMIN": (
        lambda d: position(LOW.arg_min(), d) / d,
        "position of the lowest low in the window, divided by the window's length",
    ),
    "IMXD": (
        lambda d: difference("IMAX", "IMIN", d),
        "IMAX minus IMIN: observations from the lowest low to the highest high, divided by the window's length",
    ),
    "CORR": (lambda d: corr(CLOSE, LOG_VOLUME, d), "correlation of close with log(1 + volume)"),
    "CORD": (
        lambda d: corr(CLOSE / PREVIOUS_CLOSE, LOG_VOLUME_RATIO, d),
        "correlation of close / previous close with log(1 + volume / previous volume)",
    ),
    "CNTP": (lambda d: mean(ROSE, d), "share of observations whose close rose"),
    "CNTN": (lambda d: mean(FELL, d), "share of observations whose close fell"),
    "CNTD": (lambda d: difference("CNTP", "CNTN", d), "CNTP minus CNTN"),
    "SUMP": (
        lambda d: _sum_positive(CLOSE_CHANGE, d) / _sum_absolute(CLOSE_CHANGE, d),
        "sum of the close's rises divided by the sum of its absolute changes",
    ),
    "SUMN": (
        lambda d: _sum_positive(-CLOSE_CHANGE, d) / _sum_absolute(CLOSE_CHANGE, d),
        "sum of the close's falls divided by the sum of its absolute changes",
    ),
    "SUMD": (lambda d: difference("SUMP", "SUMN", d), "SUMP minus SUMN"),
    "VMA": (lambda d: mean(VOLUME, d) / (VOLUME + TINY), "mean volume divided by volume"),
    "VSTD": (lambda d: std(VOLUME, d) / (VOLUME + TINY), "standard deviation of volume, divided by volume"),
    "WVMA": (
        lambda d: std(VOLUME_TIMES_ABS_RETURN, d) / (mean(VOLUME_TIMES_ABS_RETURN, d) + TINY),
        "standard deviation of absolute return times volume, divided by its mean",
    ),
    "VSUMP": (
        lambda d: _sum_positive(VOLUME_CHANGE, d) / _sum_absolute(VOLUME_CHANGE, d),
        "sum of the volume's rises divided by the sum of its absolute changes",
    ),
    "VSUMN": (
        lambda d: _sum_positive(-VOLUME_CHANGE, d) / _sum_absolute(VOLUME_CHANGE, d),
        "sum of the volume's falls divided by the sum of its absolute changes",
    ),
    "VSUMD": (lambda d: difference("VSUMP", "VSUMN", d), "VSUMP minus VSUMN"),
}


def _sum_positive(change: pl.Expr, d: int) -> pl.Expr:
    return change.clip(0).rolling_sum(d, min_samples=MIN_SAMPLES)


def _sum_absolute(change: pl.Expr, d: int) -> pl.Expr:
    return change.abs().rolling_sum(d, min_samples=MIN_SAMPLES) + TINY


# These factors are differences of two other factors, so they are computed last.
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
