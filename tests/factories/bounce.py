"""Prices of a simulated market with a bid-ask bounce of known size."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from atft_kedro.market.simulated_drivers import Floats, MarketParams
from atft_kedro.market.simulation import simulate_market
from factories.params import make_params
from factories.simulated_markets import NO_EFFECTS


@dataclass(frozen=True)
class PriceMatrices:
    """Prices and traded values (day, stock); NaN where a stock has no row."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    traded_value: Floats


def make_price_matrices(stocks: int, days: int, seed: int = 3) -> PriceMatrices:
    """Simulate a market without planted effects, with listings, delistings and missing days."""
    params = make_params(MarketParams, stocks=stocks, days=days, seed=seed, strengths=NO_EFFECTS)
    rows = simulate_market(params).prices.with_columns(value=pl.col("close") * pl.col("volume"))
    names = ("open", "high", "low", "close", "value")
    tables = [rows.pivot("code", index="date", values=name).sort("date").drop("date") for name in names]
    return PriceMatrices(*(table.cast(pl.Float64).fill_null(np.nan).to_numpy() for table in tables))


def half_spread_by_liquidity(prices: PriceMatrices, lowest: float, highest: float) -> Floats:
    """Compute half-spreads (stock,) from the lowest, of the most liquid stock, to the highest, evenly in logs."""
    rank = np.argsort(np.argsort(-np.nanmedian(prices.traded_value, axis=0)))
    return np.geomspace(lowest, highest, len(rank))[rank]


def add_bounce(prices: PriceMatrices, half_spread: Floats, seed: int = 4) -> PriceMatrices:
    """Move open and close to the bid or the ask at random, the high to the ask and the low to the bid.

    ``half_spread`` (stock,) is a share of the price.
    """
    sides = np.random.default_rng(seed).choice([-1, 1], (2, *prices.close.shape))
    return PriceMatrices(
        open=prices.open * (1 + half_spread * sides[0]),
        high=prices.high * (1 + half_spread),
        low=prices.low * (1 - half_spread),
        close=prices.close * (1 + half_spread * sides[1]),
        traded_value=prices.traded_value,
    )
