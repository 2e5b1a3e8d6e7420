"""The feature set `wide`: core, Alpha158, daily ranks of both, market, sector and calendar features."""

from math import tau

import polars as pl

from .alpha158 import ALPHA158
from .daily import CORE, RANKED_NAMES, UNRANKED
from .feature import Feature, deviation, mean, rank_of
from .market_summary import MARKET_RETURN

GROUP_RETURN = pl.col(MARKET_RETURN)  # the tables of the market and of the sectors have this column
LOG_TRADED_VALUE = (pl.col("traded") + 1).log()
BREADTH, DISPERSION = pl.col("breadth"), pl.col("dispersion")
DAY = pl.col("date")


def sum_returns(days: int) -> pl.Expr:
    """Compute the sum of the last ``days`` daily returns of the market or a sector."""
    return GROUP_RETURN.rolling_sum(days, min_samples=days)


def declare_market_feature(name: str, expression: pl.Expr, lookback: int, description: str) -> Feature:
    """Declare a feature of the market's daily history."""
    return Feature(name, expression, "market", lookback, description, scope="market")


MARKET = [
    *(
        declare_market_feature(f"market_ret_{d}", sum_returns(d), d, f"sum of the last {d} daily market returns")
        for d in (1, 5, 20, 60)
    ),
    declare_market_feature(
        "market_vol_20", deviation(GROUP_RETURN, 20), 20, "standard deviation of 20 daily market returns"
    ),
    declare_market_feature("market_breadth", BREADTH, 1, "share of stocks that rose"),
    declare_market_feature("market_breadth_20", mean(BREADTH, 20), 20, "20-day mean of the share of stocks that rose"),
    declare_market_feature(
        "market_dispersion", DISPERSION, 1, "standard deviation of the stocks' winsorised returns on the day"
    ),
    declare_market_feature("market_dispersion_20", mean(DISPERSION, 20), 20, "20-day mean of market_dispersion"),
    declare_market_feature(
        "market_traded_shock",
        LOG_TRADED_VALUE - mean(LOG_TRADED_VALUE, 20),
        20,
        "log traded value minus its 20-day mean",
    ),
]
SECTORS = [
    Feature(f"sector_ret_{d}", sum_returns(d), "sector", d, f"sum of the last {d} daily sector returns", scope="sector")
    for d in (1, 5, 20)
]
SECTOR_RELATIVE = [
    Feature(
        name=f"minus_sector_{d}",
        expression=pl.col(f"ret_{d}") - pl.col(f"sector_ret_{d}"),
        family="sector",
        lookback=d,
        description=f"return over {d} observations minus the sum of the sector's last {d} daily returns",
        scope="row",
    )
    for d in (1, 5, 20)
]


def declare_calendar_feature(name: str, expression: pl.Expr, lookback: int, description: str) -> Feature:
    """Declare a feature of the day itself."""
    return Feature(name, expression, "calendar", lookback, description, scope="market")


CALENDAR = [
    declare_calendar_feature("weekday", DAY.dt.weekday() - 3, 0, "day of the week, from −2 (Monday) to 2 (Friday)"),
    declare_calendar_feature("year_sin", (DAY.dt.ordinal_day() * tau / 365.25).sin(), 0, "day of the year, sine"),
    declare_calendar_feature("year_cos", (DAY.dt.ordinal_day() * tau / 365.25).cos(), 0, "day of the year, cosine"),
    declare_calendar_feature(
        "closed_days",
        ((DAY - DAY.shift(1)).dt.total_days() - 1).clip(0, 10),
        1,
        "calendar days without trading before this day, at most 10",
    ),
]

RANKS = [rank_of(feature) for feature in (*UNRANKED, *ALPHA158) if feature.name not in RANKED_NAMES]

WIDE = [*CORE, *ALPHA158, *RANKS, *MARKET, *SECTORS, *SECTOR_RELATIVE, *CALENDAR]
