"""The feature set `core`: features of daily prices and volume."""

import polars as pl

from .feature import correlation, declare, deviation, highest, lowest, mean, min_samples, rank_of
from .market_summary import MARKET_RETURN

CLOSE, OPEN, HIGH, LOW, VOLUME = (pl.col(name) for name in ("close", "open", "high", "low", "volume"))
MARKET = pl.col(MARKET_RETURN)
PREVIOUS_CLOSE, RETURN, EXCESS_RETURN = pl.col("before"), pl.col("return"), pl.col("residual")
LOG_VOLUME, TRADED_VALUE = pl.col("log_volume"), pl.col("traded")
FALL = RETURN.clip(upper_bound=0)
RANGE = HIGH - LOW
CLOSE_LOCATION = pl.when(RANGE > 0).then((CLOSE - LOW) / RANGE)
PARKINSON = 2.7726  # 4 ln 2: makes the mean squared log range an estimate of the variance
PER_BILLION = 1e9  # Amihud's price impact is of this order; 1 is added to a traded value of 0 and to the logarithm


def beta(window: int) -> pl.Expr:
    """Compute the slope of the stock's return on the market's return.

    With missing returns it is an approximation: the deviations use all known values, the correlation only pairs.
    """
    return correlation(RETURN, MARKET, window) * deviation(RETURN, window) / deviation(MARKET, window)


def past_return(observations: int) -> pl.Expr:
    """Compute the return over the last observations."""
    return CLOSE / CLOSE.shift(observations) - 1


RETURNS = declare(
    "return",
    *((f"ret_{d}", past_return(d), d, f"return over {d} observations") for d in (1, 2, 3, 5, 10, 20, 60, 120)),
    ("ret_250_20", CLOSE.shift(20) / CLOSE.shift(250) - 1, 250, "return over 250 observations, without the last 20"),
)
EXCESS_RETURNS = declare(
    "excess return",
    ("residual_1", EXCESS_RETURN, 1, "return minus the market's"),
    *(
        (f"residual_{d}", mean(EXCESS_RETURN, d), d, f"mean of the return minus the market's, {d} observations")
        for d in (5, 20, 60)
    ),
)
PARKINSON_VARIANCE = mean((HIGH / LOW).log() ** 2, 20) / PARKINSON
VOLATILITY = declare(
    "volatility",
    *((f"vol_{d}", deviation(RETURN, d), d, f"standard deviation of {d} returns") for d in (5, 20, 60)),
    ("vol_ratio", deviation(RETURN, 5) / deviation(RETURN, 60), 60, "vol_5 divided by vol_60"),
    ("downside_20", mean(FALL**2, 20).sqrt(), 20, "root mean square return of 20 observations, rises counted as 0"),
    ("residual_vol_20", deviation(EXCESS_RETURN, 20), 20, "standard deviation of residual_1, 20 observations"),
    ("highest_ret_20", highest(RETURN, 20), 20, "highest return of 20 observations"),
    ("skew_60", RETURN.rolling_skew(60, min_samples=min_samples(60)), 60, "skewness of 60 returns"),
    ("parkinson_20", PARKINSON_VARIANCE.sqrt(), 20, "volatility from the ranges of 20 observations (Parkinson 1980)"),
)
DAY = declare(
    "day shape",
    ("gap", OPEN / PREVIOUS_CLOSE - 1, 1, "overnight return"),
    ("intraday", CLOSE / OPEN - 1, 0, "return from open to close"),
    ("range", RANGE / CLOSE, 0, "high minus low, divided by close"),
    ("range_ratio_20", RANGE / mean(RANGE, 20), 20, "range divided by its mean of 20 observations"),
    ("close_location", CLOSE_LOCATION, 0, "position of the close between low (0) and high (1)"),
    ("close_location_5", mean(CLOSE_LOCATION, 5), 5, "mean close location of 5 observations"),
    ("gap_5", mean(OPEN / PREVIOUS_CLOSE - 1, 5), 6, "mean overnight return of 5 observations"),
)
VOLUMES = declare(
    "volume",
    ("volume_shock", LOG_VOLUME - mean(LOG_VOLUME, 20), 20, "log volume minus its mean of 20 observations"),
    (
        "volume_shock_5",
        mean(LOG_VOLUME, 5) - mean(LOG_VOLUME, 60),
        60,
        "log volume: mean of 5 observations minus of 60",
    ),
    ("volume_vol_20", deviation(LOG_VOLUME, 20), 20, "standard deviation of log volume, 20 observations"),
    (
        "return_volume_corr_20",
        correlation(RETURN, LOG_VOLUME, 20),
        21,
        "correlation of return and log volume, 20 observations",
    ),
    (
        "abs_return_volume_growth_corr_60",
        correlation(RETURN.abs(), LOG_VOLUME.diff(), 60),
        61,
        "correlation of the absolute return and the change of log volume, 60 observations",
    ),
    (
        "signed_volume_5",
        mean(RETURN.sign() * VOLUME, 5) / mean(VOLUME, 20),
        20,
        "mean volume of rises minus that of falls, 5 observations, divided by the mean volume of 20",
    ),
)
PRICE_IMPACT = mean(RETURN.abs() / (TRADED_VALUE + 1), 20) * PER_BILLION
LIQUIDITY = declare(
    "liquidity",
    ("traded_20", (mean(TRADED_VALUE, 20) + 1).log(), 20, "log of the mean traded value of 20 observations"),
    ("illiquidity_20", (PRICE_IMPACT + 1).log(), 20, "log of the mean price impact of 20 observations (Amihud 2002)"),
    ("unchanged_20", mean((RETURN == 0).cast(pl.Float64), 20), 20, "share of 20 observations with an unchanged close"),
)
MARKET_RELATION = declare(
    "market relation",
    *((f"beta_{d}", beta(d), d + 1, f"beta to the equal-weighted market, {d} observations") for d in (60, 120)),
    ("market_corr_60", correlation(RETURN, MARKET, 60), 61, "correlation with the market's return, 60 observations"),
    (
        "market_lag_corr_60",
        correlation(RETURN, MARKET.shift(1), 60),
        61,
        "correlation with the market's return of the previous observation, 60 observations",
    ),
)
AUTOCORRELATION = declare(
    "autocorrelation",
    (
        "autocorr_20",
        correlation(RETURN, RETURN.shift(1), 20),
        22,
        "correlation of the return with that of the previous observation, 20 observations",
    ),
)
LEVELS = declare(
    "price level",
    *(
        (
            f"from_high_{d}",
            CLOSE / highest(HIGH, d) - 1,
            d,
            f"close divided by the highest high of {d} observations, minus 1",
        )
        for d in (20, 60, 250)
    ),
    ("from_low_250", CLOSE / lowest(LOW, 250) - 1, 250, "close divided by the lowest low of 250 observations, minus 1"),
    *(
        (f"from_mean_{d}", CLOSE / mean(CLOSE, d) - 1, d, f"close divided by its mean of {d} observations, minus 1")
        for d in (20, 60)
    ),
)

UNRANKED = [
    *(*RETURNS, *EXCESS_RETURNS, *VOLATILITY, *DAY, *VOLUMES, *LIQUIDITY, *MARKET_RELATION, *AUTOCORRELATION, *LEVELS)
]
# Features of the core set that also have a daily rank.
RANKED_NAMES = frozenset(
    ("ret_1", "ret_5", "ret_20", "ret_60", "residual_20")
    + ("residual_vol_20", "volume_shock", "traded_20", "beta_60", "from_high_250")
)
CORE = [*UNRANKED, *(rank_of(feature) for feature in UNRANKED if feature.name in RANKED_NAMES)]
