"""The feature set `wide`: core, Alpha158, daily ranks of both, market, sector and calendar features."""

from math import tau

import polars as pl

from .alpha158 import ALPHA158
from .daily import CORE, RANKED_NAMES, UNRANKED
from .feature import declare, deviation, mean, rank_of
from .market_summary import MARKET_RETURN

GROUP_RETURN = pl.col(MARKET_RETURN)  # the tables of the market and of the sectors have this column
LOG_TRADED_VALUE = (pl.col("traded") + 1).log()
BREADTH, DISPERSION = pl.col("breadth"), pl.col("dispersion")
DAY = pl.col("date")


def sum_returns(days: int) -> pl.Expr:
    """Compute the sum of the last ``days`` daily returns of the market or a sector."""
    return GROUP_RETURN.rolling_sum(days, min_samples=days)


MARKET = declare(
    "market",
    *((f"market_ret_{d}", sum_returns(d), d, f"sum of the last {d} daily market returns") for d in (1, 5, 20, 60)),
    ("market_vol_20", deviation(GROUP_RETURN, 20), 20, "standard deviation of 20 daily market returns"),
    ("market_breadth", BREADTH, 1, "share of stocks that rose"),
    ("market_breadth_20", mean(BREADTH, 20), 20, "20-day mean of the share of stocks that rose"),
    ("market_dispersion", DISPERSION, 1, "standard deviation of the stocks' winsorised returns on the day"),
    ("market_dispersion_20", mean(DISPERSION, 20), 20, "20-day mean of market_dispersion"),
    (
        "market_traded_shock",
        LOG_TRADED_VALUE - mean(LOG_TRADED_VALUE, 20),
        20,
        "log traded value minus its 20-day mean",
    ),
    scope="market",
)
SECTORS = declare(
    "sector",
    *((f"sector_ret_{d}", sum_returns(d), d, f"sum of the last {d} daily sector returns") for d in (1, 5, 20)),
    scope="sector",
)
SECTOR_RELATIVE = declare(
    "sector",
    *(
        (
            f"minus_sector_{d}",
            pl.col(f"ret_{d}") - pl.col(f"sector_ret_{d}"),
            d,
            f"return over {d} observations minus the sum of the sector's last {d} daily returns",
        )
        for d in (1, 5, 20)
    ),
    scope="row",
)
CALENDAR = declare(
    "calendar",
    ("weekday", DAY.dt.weekday() - 3, 0, "day of the week, from −2 (Monday) to 2 (Friday)"),
    ("year_sin", (DAY.dt.ordinal_day() * tau / 365.25).sin(), 0, "day of the year, sine"),
    ("year_cos", (DAY.dt.ordinal_day() * tau / 365.25).cos(), 0, "day of the year, cosine"),
    (
        "closed_days",
        ((DAY - DAY.shift(1)).dt.total_days() - 1).clip(0, 10),
        1,
        "calendar days without trading before this day, at most 10",
    ),
    scope="market",
)

RANKS = [rank_of(feature) for feature in (*UNRANKED, *ALPHA158) if feature.name not in RANKED_NAMES]

WIDE = [*CORE, *ALPHA158, *RANKS, *MARKET, *SECTORS, *SECTOR_RELATIVE, *CALENDAR]
