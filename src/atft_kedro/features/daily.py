"""The feature set `core`: 59 features of daily prices and volume."""

import polars as pl

from .feature import Feature, correlation, deviation, highest, lowest, mean, min_samples, rank_of
from .market_summary import MARKET_RETURN

CLOSE, OPEN, HIGH, LOW, VOLUME = (pl.col(name) for name in ("close", "open", "high", "low", "volume"))
MARKET = pl.col(MARKET_RETURN)
PREVIOUS_CLOSE, RETURN, EXCESS_RETURN = pl.col("before"), pl.col("return"), pl.col("residual")
LOG_VOLUME, TRADED_VALUE = pl.col("log_volume"), pl.col("traded")
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


RETURNS = [
    *(
        Feature(f"ret_{d}", past_return(d), "return", d, f"return over {d} observations")
        for d in (1, 2, 3, 5, 10, 20, 60, 120)
    ),
    Feature(
        "ret_250_20",
        CLOSE.shift(20) / CLOSE.shift(250) - 1,
        "return",
        250,
        "return over the 250 observations up to 20 observations ago, without the last 20",
    ),
]
EXCESS_RETURNS = [
    Feature(
        f"residual_{d}",
        mean(EXCESS_RETURN, d) if d > 1 else EXCESS_RETURN,
        "excess return",
        d,
        f"mean of the return minus the market's, {d} observations",
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
        "volatility over 5 observations, divided by that over 60",
    ),
    Feature(
        "downside_20",
        mean(RETURN.clip(upper_bound=0) ** 2, 20).sqrt(),
        "volatility",
        20,
        "root mean square return of 20 observations, rises counted as 0",
    ),
    Feature(
        "residual_vol_20",
        deviation(EXCESS_RETURN, 20),
        "volatility",
        20,
        "standard deviation of the return minus the market's, 20 observations",
    ),
    Feature("highest_ret_20", highest(RETURN, 20), "volatility", 20, "highest return of 20 observations"),
    Feature(
        "skew_60", RETURN.rolling_skew(60, min_samples=min_samples(60)), "volatility", 60, "skewness of 60 returns"
    ),
    Feature(
        "parkinson_20",
        (mean((HIGH / LOW).log() ** 2, 20) / PARKINSON).sqrt(),
        "volatility",
        20,
        "volatility from the daily ranges of 20 observations (Parkinson 1980)",
    ),
]
DAY = [
    Feature("gap", OPEN / PREVIOUS_CLOSE - 1, "day shape", 1, "overnight return"),
    Feature("intraday", CLOSE / OPEN - 1, "day shape", 0, "return from open to close"),
    Feature("range", RANGE / CLOSE, "day shape", 0, "high minus low over close"),
    Feature("range_ratio_20", RANGE / mean(RANGE, 20), "day shape", 20, "range over its mean of 20 observations"),
    Feature("close_location", CLOSE_LOCATION, "day shape", 0, "close between low (0) and high (1)"),
    Feature("close_location_5", mean(CLOSE_LOCATION, 5), "day shape", 5, "mean close location of 5 observations"),
    Feature("gap_5", mean(OPEN / PREVIOUS_CLOSE - 1, 5), "day shape", 6, "mean overnight return of 5 observations"),
]
VOLUMES = [
    Feature(
        "volume_shock", LOG_VOLUME - mean(LOG_VOLUME, 20), "volume", 20, "log volume minus its mean of 20 observations"
    ),
    Feature(
        "volume_shock_5",
        mean(LOG_VOLUME, 5) - mean(LOG_VOLUME, 60),
        "volume",
        60,
        "mean log volume of 5 observations minus that of 60",
    ),
    Feature(
        "volume_vol_20", deviation(LOG_VOLUME, 20), "volume", 20, "standard deviation of log volume, 20 observations"
    ),
    Feature(
        "return_volume_corr_20",
        correlation(RETURN, LOG_VOLUME, 20),
        "volume",
        21,
        "correlation of return and log volume, 20 observations",
    ),
    Feature(
        "abs_return_volume_growth_corr_60",
        correlation(RETURN.abs(), LOG_VOLUME.diff(), 60),
        "volume",
        61,
        "correlation of the absolute return and the change of log volume, 60 observations",
    ),
    Feature(
        "signed_volume_5",
        mean(RETURN.sign() * VOLUME, 5) / mean(VOLUME, 20),
        "volume",
        20,
        "mean volume of rises minus that of falls, 5 observations, over the mean volume of 20",
    ),
]
LIQUIDITY = [
    Feature(
        "traded_20",
        (mean(TRADED_VALUE, 20) + 1).log(),
        "liquidity",
        20,
        "log of the mean traded value of 20 observations",
    ),
    Feature(
        "illiquidity_20",
        (mean(RETURN.abs() / (TRADED_VALUE + 1), 20) * PER_BILLION + 1).log(),
        "liquidity",
        20,
        "log of the mean price impact of 20 observations (Amihud 2002)",
    ),
    Feature(
        "unchanged_20",
        mean((RETURN == 0).cast(pl.Float64), 20),
        "liquidity",
        20,
        "share of 20 observations with an unchanged close",
    ),
]
MARKET_RELATION = [
    Feature("beta_60", beta(60), "market relation", 61, "beta to the equal-weighted market, 60 observations"),
    Feature("beta_120", beta(120), "market relation", 121, "beta to the equal-weighted market, 120 observations"),
    Feature(
        "market_corr_60",
        correlation(RETURN, MARKET, 60),
        "market relation",
        61,
        "correlation with the market's return, 60 observations",
    ),
    Feature(
        "market_lag_corr_60",
        correlation(RETURN, MARKET.shift(1), 60),
        "market relation",
        61,
        "correlation with the market's return of the previous observation, 60 observations",
    ),
    Feature(
        "autocorr_20",
        correlation(RETURN, RETURN.shift(1), 20),
        "autocorrelation",
        22,
        "correlation of the return with that of the previous observation, 20 observations",
    ),
]
LEVELS = [
    *(
        Feature(
            f"from_high_{d}",
            CLOSE / highest(HIGH, d) - 1,
            "price level",
            d,
            f"close over the highest high of {d} observations, minus 1",
        )
        for d in (20, 60, 250)
    ),
    Feature(
        "from_low_250",
        CLOSE / lowest(LOW, 250) - 1,
        "price level",
        250,
        "close over the lowest low of 250 observations, minus 1",
    ),
    Feature(
        "from_mean_20",
        CLOSE / mean(CLOSE, 20) - 1,
        "price level",
        20,
        "close over its mean of 20 observations, minus 1",
    ),
    Feature(
        "from_mean_60",
        CLOSE / mean(CLOSE, 60) - 1,
        "price level",
        60,
        "close over its mean of 60 observations, minus 1",
    ),
]

UNRANKED = [*RETURNS, *EXCESS_RETURNS, *VOLATILITY, *DAY, *VOLUMES, *LIQUIDITY, *MARKET_RELATION, *LEVELS]
RANKED_NAMES = (  # features of the core set that also have a daily rank
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
CORE = [*UNRANKED, *(rank_of(feature) for feature in UNRANKED if feature.name in RANKED_NAMES)]
