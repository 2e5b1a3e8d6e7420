"""Simulated markets with and without planted effects, and their realised returns."""

import polars as pl

from atft_kedro.market.simulated_drivers import MarketParams, Strengths
from atft_kedro.market.simulation import SimulatedMarket
from factories.params import make_params

NO_EFFECTS = Strengths(reversal=0, momentum=0, spillover=0, periodic=0)
LARGE = make_params(MarketParams, stocks=300, days=800, seed=5)


def add_realised_returns(market: SimulatedMarket, horizon: int = 1) -> pl.DataFrame:
    """Join the prices, their returns over the next days and the oracle."""
    later = (pl.col("close").shift(-horizon) / pl.col("close") - 1).over("code")
    rows = market.prices.sort("code", "date").with_columns(later.alias("realised"))
    return rows.join(market.oracle, on=["date", "code"])


def mean_and_error(ic: pl.Series) -> tuple[float, float]:
    """Compute the mean of daily ICs and its standard error."""
    return float(ic.mean()), float(ic.std()) / len(ic) ** 0.5  # type: ignore[arg-type]
