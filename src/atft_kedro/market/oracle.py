"""What the best possible forecaster of the simulated market would say, and how well it must score."""

import numpy as np
from numpy.typing import NDArray

from ..schema import ENTRY_LAGS, oracle_column
from .simulated_drivers import (
    BETA_SPREAD,
    CLUSTER_SHARE,
    DRIFT,
    MARKET_VOLATILITY,
    SECTOR_VOLATILITY,
    STOCK_VOLATILITY,
    VOLATILITY_SPREAD,
    Floats,
    Latent,
    MarketParams,
    expect_level,
    expect_standardised,
)

LONGEST_GAP = 20  # days beyond a horizon that missing days may stretch it


def expect_returns(latent: Latent, params: MarketParams, observed: NDArray[np.bool_]) -> dict[str, Floats]:
    """Expect, at each close, the return over each horizon from each entry: ``{oracle_column: [day, stock]}``.

    Entered at lag e, the expected return over h is that over e + h less that over e. Lags and horizons count the
    stock's own observations, so a horizon that spans missing days sums more days.
    Exact for the next day; to first order in daily returns beyond it (compounding is left out).
    """
    lags = sorted({*ENTRY_LAGS.values(), params.entry_lag})
    counts = {count for lag in lags for count in (lag, *(lag + horizon for horizon in params.horizons))} - {0}
    reach = {count: _days_until(observed, count) for count in counts}
    until = {0: np.zeros(observed.shape)} | {count: np.full(observed.shape, np.nan) for count in counts}
    total = np.zeros(observed.shape)
    for ahead in range(1, max(reach) + LONGEST_GAP + 1):
        day = expect_level(latent, ahead) * expect_standardised(latent, params.strengths, ahead)
        total += DRIFT + latent.volatility * day
        for count, days in reach.items():
            until[count][days == ahead] = total[days == ahead]
    return {
        oracle_column(horizon, lag): until[lag + horizon] - until[lag] for lag in lags for horizon in params.horizons
    }


def attainable_ic(params: MarketParams) -> float:
    """Compute the oracle's mean daily IC at horizon 1 from the parameters alone.

    Standardised by the stocks' own variance, a day's cross-section has signal variance S², own variance 1,
    and the factors' variances; the market factor's is random, so its normal density is integrated out.
    """
    own = STOCK_VOLATILITY**2 * np.exp(2 * VOLATILITY_SPREAD**2)
    sector = SECTOR_VOLATILITY**2 * (1 - 1 / params.sectors) / own
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    market = (BETA_SPREAD * MARKET_VOLATILITY * nodes) ** 2 / own
    signal = _signal_variance(params)
    by_node = np.sqrt(signal) / np.sqrt(1 + signal + sector + market)
    return float((weights * by_node).sum() / weights.sum())


def _signal_variance(params: MarketParams) -> float:
    """Add up what the effects explain; reversal and spill-over share the cluster's surprises and pull apart."""
    strengths, count = params.strengths, params.neighbours
    in_cluster = params.cluster_size > count
    spread = np.sqrt(count * (1 + (count - 1) * CLUSTER_SHARE))
    shared = CLUSTER_SHARE * count / spread if in_cluster else 0.0
    alone = strengths.reversal**2 + strengths.momentum**2 + strengths.spillover**2 + strengths.periodic**2
    return float(alone - 2 * strengths.reversal * strengths.spillover * shared)


def _days_until(observed: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Count the days from each observation to the stock's ``count``-th next one; 0 where there is none."""
    days = np.zeros(observed.shape, dtype=np.int64)
    for stock in range(observed.shape[1]):
        seen = np.flatnonzero(observed[:, stock])
        days[seen[:-count], stock] = seen[count:] - seen[:-count]
    return days
