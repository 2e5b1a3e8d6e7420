"""The 158 factors of Alpha158, by the definitions of qlib (github.com/microsoft/qlib, contrib/data/loader.py).

Windows are partial at a stock's start (at least one observation), as in qlib. Observations are the stock's
own; qlib lays stocks on the calendar and sees a gap as missing values. Where a table has no vwap the
typical price (high + low + close) / 3 stands in for it.
"""

from collections.abc import Callable

import polars as pl

from .feature import Feature
from .shared import ROW

WINDOWS = (5, 10, 20, 30, 60)
FLAT = 2e-5  # qlib calls a window flat below this standard deviation, and its correlations undefined
TINY = 1e-12
PARTIAL = 1

OPEN, HIGH, LOW, CLOSE, VOLUME = (pl.col(name) for name in ("open", "high", "low", "close", "volume"))
VWAP = pl.coalesce("vwap", (HIGH + LOW + CLOSE) / 3)
BEFORE, RISE, VOLUME_RISE = pl.col("before"), pl.col("rise"), pl.col("volume_rise")
LOG_VOLUME, LOG_VOLUME_RATIO = pl.col("log_volume"), pl.col("log_volume_ratio")
WEIGHTED_MOVE, ROSE, FELL = pl.col("weighted_move"), pl.col("rose"), pl.col("fell")
TOP, BOTTOM = pl.max_horizontal(OPEN, CLOSE), pl.min_horizontal(OPEN, CLOSE)
WIDTH = HIGH - LOW + TINY


def mean(x: pl.Expr, d: int) -> pl.Expr:
    """Average a window."""
    return x.rolling_mean(d, min_samples=PARTIAL)


def total(x: pl.Expr, d: int) -> pl.Expr:
    """Sum a window."""
    return x.rolling_sum(d, min_samples=PARTIAL)


def std(x: pl.Expr, d: int) -> pl.Expr:
    """Take a window's standard deviation, ddof 1."""
    return x.rolling_std(d, min_samples=2)


def highest(x: pl.Expr, d: int) -> pl.Expr:
    """Take a window's maximum."""
    return x.rolling_max(d, min_samples=PARTIAL)


def lowest(x: pl.Expr, d: int) -> pl.Expr:
    """Take a window's minimum."""
    return x.rolling_min(d, min_samples=PARTIAL)


def place(extreme: pl.Expr, d: int) -> pl.Expr:
    """Count from 1 where in its window an arg_max or arg_min stands."""
    return (extreme + 1).rolling(index_column=ROW, period=f"{d}i").cast(pl.Float64)


def quantile(d: int, q: float) -> pl.Expr:
    """Interpolate a quantile of the window's closes."""
    return CLOSE.rolling_quantile(q, interpolation="linear", window_size=d, min_samples=PARTIAL)


def rank(d: int) -> pl.Expr:
    """Rank the close in its window, as a share of the window."""
    return CLOSE.rolling_rank(d, min_samples=PARTIAL) / held(d)


def held(d: int) -> pl.Expr:
    """Count the observations that a window holds."""
    return (pl.col(ROW) + 1).clip(upper_bound=d).cast(pl.Float64)


def corr(x: pl.Expr, y: pl.Expr, d: int) -> pl.Expr:
    """Correlate over a window; undefined where either side is flat."""
    known = x.is_finite() & y.is_finite()
    x, y = pl.when(known).then(x), pl.when(known).then(y)
    flat = (std(x, d) <= FLAT) | (std(y, d) <= FLAT)
    return pl.when(~flat).then(pl.rolling_corr(x, y, window_size=d, min_samples=2))


def slope(d: int) -> pl.Expr:
    """Regress the window's closes on 1 … d: the least-squares slope."""
    return _covariance(d) / _time_variance(d)


def residual(d: int) -> pl.Expr:
    """Take the last close's distance from the window's regression line."""
    return CLOSE - mean(CLOSE, d) - slope(d) * (held(d) - 1) / 2


def rsquare(d: int) -> pl.Expr:
    """Take the share of the window's variance that its regression line explains."""
    n = held(d)
    variance = CLOSE.rolling_var(d, min_samples=2, ddof=0)
    explained = _covariance(d) ** 2 / (_time_variance(d) * variance)
    return pl.when((std(CLOSE, d) > FLAT) & (n > 1)).then(explained)


def apart(one: str, other: str, d: int) -> pl.Expr:
    """Subtract two factors of the same row."""
    return pl.col(f"{one}{d}") - pl.col(f"{other}{d}")


def _time_variance(d: int) -> pl.Expr:
    return (held(d) ** 2 - 1) / 12


def _covariance(d: int) -> pl.Expr:
    """Compute the covariance (ddof 0) of close with time over a window.

    Σ i·x over a sliding window comes from Σ t·x with t the stock's own count, centred on the window's mean time.
    """
    middle = pl.col(ROW) - (held(d) - 1) / 2
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
    "RSQR": (rsquare, "R² of close's line"),
    "RESI": (lambda d: residual(d) / CLOSE, "close's residual from its line, over close"),
    "MAX": (lambda d: highest(HIGH, d) / CLOSE, "highest high over close"),
    "MIN": (lambda d: lowest(LOW, d) / CLOSE, "lowest low over close"),
    "QTLU": (lambda d: quantile(d, 0.8) / CLOSE, "80 % quantile of close over close"),
    "QTLD": (lambda d: quantile(d, 0.2) / CLOSE, "20 % quantile of close over close"),
    "RANK": (rank, "rank of close among its window"),
    "RSV": (
        lambda d: (CLOSE - lowest(LOW, d)) / (highest(HIGH, d) - lowest(LOW, d) + TINY),
        "close's place between lowest low and highest high",
    ),
    "IMAX": (lambda d: place(HIGH.arg_max(), d) / d, "where in the window the highest high stands"),
    "IMIN": (lambda d: place(LOW.arg_min(), d) / d, "where in the window the lowest low stands"),
    "IMXD": (lambda d: apart("IMAX", "IMIN", d), "days from the lowest low to the highest high"),
    "CORR": (lambda d: corr(CLOSE, LOG_VOLUME, d), "correlation of close with log volume"),
    "CORD": (
        lambda d: corr(CLOSE / BEFORE, LOG_VOLUME_RATIO, d),
        "correlation of close's ratio with log volume's ratio",
    ),
    "CNTP": (lambda d: mean(ROSE, d), "share of rises"),
    "CNTN": (lambda d: mean(FELL, d), "share of falls"),
    "CNTD": (lambda d: apart("CNTP", "CNTN", d), "rises minus falls"),
    "SUMP": (lambda d: _gains(RISE, d) / _moves(RISE, d), "gains over all moves of close"),
    "SUMN": (lambda d: _gains(-RISE, d) / _moves(RISE, d), "losses over all moves of close"),
    "SUMD": (lambda d: apart("SUMP", "SUMN", d), "gains minus losses over all moves"),
    "VMA": (lambda d: mean(VOLUME, d) / (VOLUME + TINY), "mean volume over volume"),
    "VSTD": (lambda d: std(VOLUME, d) / (VOLUME + TINY), "standard deviation of volume over volume"),
    "WVMA": (
        lambda d: std(WEIGHTED_MOVE, d) / (mean(WEIGHTED_MOVE, d) + TINY),
        "spread of volume-weighted moves over their mean",
    ),
    "VSUMP": (lambda d: _gains(VOLUME_RISE, d) / _moves(VOLUME_RISE, d), "rises over all moves of volume"),
    "VSUMN": (lambda d: _gains(-VOLUME_RISE, d) / _moves(VOLUME_RISE, d), "falls over all moves of volume"),
    "VSUMD": (lambda d: apart("VSUMP", "VSUMN", d), "rises minus falls over all moves of volume"),
}


def _gains(move: pl.Expr, d: int) -> pl.Expr:
    return total(move.clip(0), d)


def _moves(move: pl.Expr, d: int) -> pl.Expr:
    return total(move.abs(), d) + TINY


DIFFERENCES = ("IMXD", "CNTD", "SUMD", "VSUMD")

ALPHA158 = [
    *(Feature(name, expression, "alpha158 bar", 0, says) for name, (expression, says) in BARS.items()),
    *(
        Feature(
            name=f"{name}{d}",
            expression=make(d),
            family=f"alpha158 {name}",
            lookback=d,
            says=f"{says}, {d} observations",
            sees="row" if name in DIFFERENCES else "stock",
        )
        for name, (make, says) in ROLLING.items()
        for d in WINDOWS
    ),
]
