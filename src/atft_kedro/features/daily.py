"""The core set: 59 features of daily prices and volume."""

from math import ceil

import polars as pl

from .feature import Feature, rank_of
from .market_days import MARKET_RETURN

CLOSE, OPEN, HIGH, LOW, VOLUME = (pl.col(name) for name in ("close", "open", "high", "low", "volume"))
MARKET = pl.col(MARKET_RETURN)
BEFORE, RETURN, RESIDUAL = pl.col("before"), pl.col("return"), pl.col("residual")
LOG_VOLUME, TRADED = pl.col("log_volume"), pl.col("traded")
RANGE = HIGH - LOW
LOCATION = pl.when(RANGE > 0).then((CLOSE - LOW) / RANGE)
FLAT = 1e-7  # a smaller deviation of returns or log volumes is rounding error


def min_samples(window: int) -> int:
    """Return the minimum number of observations in a window: four fifths of it."""
    return max(2, ceil(0.8 * window))


def mean(x: pl.Expr, window: int) -> pl.Expr:
    """Compute the mean of the last ``window`` observations."""
    return x.rolling_mean(window, min_samples=min_samples(window))


def deviation(x: pl.Expr, window: int) -> pl.Expr:
    """Compute the standard deviation of the last ``window`` observations."""
    return x.rolling_std(window, min_samples=min_samples(window))


def highest(x: pl.Expr, window: int) -> pl.Expr:
    """Compute the maximum of the last ``window`` observations."""
    return x.rolling_max(window, min_samples=min_samples(window))


def lowest(x: pl.Expr, window: int) -> pl.Expr:
    """Compute the minimum of the last ``window`` observations."""
    return x.rolling_min(window, min_samples=min_samples(window))


def correlation(x: pl.Expr, y: pl.Expr, window: int) -> pl.Expr:
    """Correlate the known pairs of the last ``window`` observations; null where either is flat."""
    both = x.is_not_null() & y.is_not_null()
    x, y = pl.when(both).then(x), pl.when(both).then(y)
    moves = (deviation(x, window) > FLAT) & (deviation(y, window) > FLAT)
    return pl.when(moves).then(pl.rolling_corr(x, y, window_size=window, min_samples=min_samples(window)).clip(-1, 1))


def beta(window: int) -> pl.Expr:
    """Compute the slope of the stock's return on the market's return."""
    return correlation(RETURN, MARKET, window) * deviation(RETURN, window) / deviation(MARKET, window)


def change(days: int) -> pl.Expr:
    """Compute the return over the last ``days`` observations."""
    return CLOSE / CLOSE.shift(days) - 1


RETURNS = [
    *(
        Feature(f"ret_{d}", change(d), "return", d, f"return over {d} observations")
        for d in (1, 2, 3, 5, 10, 20, 60, 120)
    ),
    Feature(
        "ret_250_20", CLOSE.shift(20) / CLOSE.shift(250) - 1, "return", 250, "return over a year without its last month"
    ),
]
RESIDUALS = [
    Feature(
        f"residual_{d}",
        mean(RESIDUAL, d) if d > 1 else RESIDUAL,
        "residual return",
        d,
        f"mean return beyond the market's, {d} observations",
    )
    for d in (1, 5, 20, 60)
]
VOLATILITY = [
    *(
        Feature(f"vol_{d}", deviation(RETURN, d), "volatility", d, f"standard deviation of {d} returns")
        for d in (5, 20, 60)
    ),
    Feature(
        "vol_ratio",
        deviation(RETURN, 5) / deviation(RETURN, 60),
        "volatility",
        60,
        "a week's volatility over a quarter's",
    ),
    Feature(
        "downside_20", mean(RETURN.clip(upper_bound=0) ** 2, 20).sqrt(), "volatility", 20, "root mean square of falls"
    ),
    Feature("residual_vol_20", deviation(RESIDUAL, 20), "volatility", 20, "volatility beyond the market's"),
    Feature("highest_ret_20", highest(RETURN, 20), "volatility", 20, "highest daily return of a month"),
    Feature("skew_60", RETURN.rolling_skew(60, min_samples=min_samples(60)), "volatility", 60, "skewness of returns"),
    Feature(
        "parkinson_20",
        (mean((HIGH / LOW).log() ** 2, 20) / 2.7726).sqrt(),
        "volatility",
        20,
        "volatility from the daily range (Parkinson 1980; 4 ln 2)",
    ),
]
DAY = [
    Feature("gap", OPEN / BEFORE - 1, "day", 1, "overnight return"),
    Feature("intraday", CLOSE / OPEN - 1, "day", 0, "return from open to close"),
    Feature("range", RANGE / CLOSE, "day", 0, "high minus low over close"),
    Feature("range_ratio_20", RANGE / mean(RANGE, 20), "day", 20, "today's range over its month's mean"),
    Feature("close_location", LOCATION, "day", 0, "close between low (0) and high (1)"),
    Feature("close_location_5", mean(LOCATION, 5), "day", 5, "a week's mean close location"),
    Feature("gap_5", mean(OPEN / BEFORE - 1, 5), "day", 6, "a week's mean overnight return"),
]
VOLUMES = [
    Feature("volume_shock", LOG_VOLUME - mean(LOG_VOLUME, 20), "volume", 20, "log volume beyond its month's mean"),
    Feature(
        "volume_shock_5",
        mean(LOG_VOLUME, 5) - mean(LOG_VOLUME, 60),
        "volume",
        60,
        "a week's log volume beyond the quarter's",
    ),
    Feature("volume_vol_20", deviation(LOG_VOLUME, 20), "volume", 20, "standard deviation of log volume"),
    Feature(
        "return_volume_corr_20",
        correlation(RETURN, LOG_VOLUME, 20),
        "volume",
        21,
        "correlation of return and log volume",
    ),
    Feature(
        "turnover_corr_60",
        correlation(RETURN.abs(), LOG_VOLUME.diff(), 60),
        "volume",
        61,
        "correlation of absolute return and volume growth",
    ),
    Feature(
        "signed_volume_5",
        mean(RETURN.sign() * VOLUME, 5) / mean(VOLUME, 20),
        "volume",
        20,
        "volume of rises minus volume of falls, over mean volume",
    ),
]
LIQUIDITY = [
    Feature("traded_20", (mean(TRADED, 20) + 1).log(), "liquidity", 20, "log of a month's mean traded value"),
    Feature(
        "illiquidity_20",
        (mean(RETURN.abs() / (TRADED + 1), 20) * 1e9 + 1).log(),
        "liquidity",
        20,
        "price impact (Amihud 2002), log",
    ),
    Feature("unchanged_20", mean((RETURN == 0).cast(pl.Float64), 20), "liquidity", 20, "share of days without a move"),
]
MARKET_RELATION = [
    Feature("beta_60", beta(60), "market relation", 61, "beta to the equal-weighted market, a quarter"),
    Feature("beta_120", beta(120), "market relation", 121, "beta, half a year"),
    Feature("market_corr_60", correlation(RETURN, MARKET, 60), "market relation", 61, "correlation with the market"),
    Feature(
        "market_lag_corr_60",
        correlation(RETURN, MARKET.shift(1), 60),
        "market relation",
        61,
        "correlation with the market's return of the day before",
    ),
    Feature(
        "autocorr_20",
        correlation(RETURN, RETURN.shift(1), 20),
        "market relation",
        22,
        "correlation with its own return of the day before",
    ),
]
LEVELS = [
    *(
        Feature(f"from_high_{d}", CLOSE / highest(HIGH, d) - 1, "level", d, f"distance from the high of {d}")
        for d in (20, 60, 250)
    ),
    Feature("from_low_250", CLOSE / lowest(LOW, 250) - 1, "level", 250, "distance from the year's low"),
    Feature("from_mean_20", CLOSE / mean(CLOSE, 20) - 1, "level", 20, "distance from the month's mean"),
    Feature("from_mean_60", CLOSE / mean(CLOSE, 60) - 1, "level", 60, "distance from the quarter's mean"),
]

RAW = [*RETURNS, *RESIDUALS, *VOLATILITY, *DAY, *VOLUMES, *LIQUIDITY, *MARKET_RELATION, *LEVELS]
RANKED = (
    "ret_1",
    "ret_5",
    "ret_20",
    "ret_60",
    "residual_20",
    "residual_vol_20",
    "volume_shock",
    "traded_20",
    "beta_60",
    "from_high_250",
)
CORE = [*RAW, *(rank_of(feature) for feature in RAW if feature.name in RANKED)]
