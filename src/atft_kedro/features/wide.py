"""The wide set: core, Alpha158 and their ranks, market, sector and calendar features."""

from math import tau

import polars as pl

from .alpha158 import ALPHA158
from .daily import CORE, RANKED, RAW, deviation, mean
from .feature import Feature, rank_of
from .market_days import MARKET_RETURN

MOVE = pl.col(MARKET_RETURN)
TRADED = (pl.col("traded") + 1).log()
DATE = pl.col("date")


def sum_returns(days: int) -> pl.Expr:
    """Compute the sum of the last ``days`` daily returns of the market or a sector."""
    return MOVE.rolling_sum(days, min_samples=days)


MARKET = [
    *(
        Feature(f"market_ret_{d}", sum_returns(d), "market", d, f"the market's return over {d} days", "market")
        for d in (1, 5, 20, 60)
    ),
    Feature("market_vol_20", deviation(MOVE, 20), "market", 20, "the market's volatility", "market"),
    Feature("market_breadth", pl.col("breadth"), "market", 1, "share of stocks that rose", "market"),
    Feature("market_breadth_20", mean(pl.col("breadth"), 20), "market", 20, "a month's mean breadth", "market"),
    Feature("market_dispersion", pl.col("dispersion"), "market", 1, "spread of the day's returns", "market"),
    Feature("market_dispersion_20", mean(pl.col("dispersion"), 20), "market", 20, "a month's mean spread", "market"),
    Feature("market_traded_shock", TRADED - mean(TRADED, 20), "market", 20, "traded value beyond its mean", "market"),
]
SECTORS = [
    Feature(f"sector_ret_{d}", sum_returns(d), "sector", d, f"the sector's return over {d} days", "sector")
    for d in (1, 5, 20)
]
RELATIVES = [
    Feature(
        f"beyond_sector_{d}",
        pl.col(f"ret_{d}") - pl.col(f"sector_ret_{d}"),
        "sector",
        d,
        f"return beyond the sector's, {d} observations",
        "row",
    )
    for d in (1, 5, 20)
]
CALENDAR = [
    Feature("weekday", DATE.dt.weekday() - 3, "calendar", 0, "Monday −2 … Friday 2", "market"),
    Feature("year_sin", (DATE.dt.ordinal_day() * tau / 365.25).sin(), "calendar", 0, "season, sine", "market"),
    Feature("year_cos", (DATE.dt.ordinal_day() * tau / 365.25).cos(), "calendar", 0, "season, cosine", "market"),
    Feature(
        "days_off",
        ((DATE - DATE.shift(1)).dt.total_days() - 1).clip(0, 10),
        "calendar",
        1,
        "days without trading before this one",
        "market",
    ),
]

RANKS = [rank_of(feature) for feature in (*RAW, *ALPHA158) if feature.name not in RANKED]

WIDE = [*CORE, *ALPHA158, *RANKS, *MARKET, *SECTORS, *RELATIVES, *CALENDAR]
