"""The oracle: the best possible forecasts of the simulated market, and their expected IC."""

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

LONGEST_GAP = 20  # days by which missing days may lengthen a horizon


def expect_returns(latent: Latent, params: MarketParams, observed: NDArray[np.bool_]) -> dict[str, Floats]:
    """Compute the expected return at each close by oracle column: ``[day, stock]``.

    With entry lag e, the expected return over h is the one over e + h minus the one over e. Lags and horizons count
    the stock's own observations, so a horizon with missing days sums more days. The next day's return is exact, later
    ones are first-order approximations without compounding.
    """
    lags = sorted({*ENTRY_LAGS.values(), params.entry_lag})
    counts = {count for lag in lags for count in (lag, *(lag + horizon for horizon in params.horizons))} - {0}
    days_until = {count: _days_until(observed, count) for count in counts}
    expected = {0: np.zeros(observed.shape)} | {count: np.full(observed.shape, np.nan) for count in counts}
    total = np.zeros(observed.shape)
    for ahead in range(1, max(days_until) + LONGEST_GAP + 1):
        day = expect_level(latent, ahead) * expect_standardised(latent, params, ahead)
        total += DRIFT + latent.volatility * day
        for count, days in days_until.items():
            expected[count][days == ahead] = total[days == ahead]
    return {
        oracle_column(horizon, lag): expected[lag + horizon] - expected[lag]
        for lag in lags
        for horizon in params.horizons
    }


def attainable_ic(params: MarketParams) -> float:
    """Compute the oracle's expected daily IC at horizon 1 from the parameters.

    In units of the stocks' own variance, a day's cross-section has the signal variance S², the own variance 1 and the
    factors' variances. The variance of the market factor is random: its normal density is integrated out.
    """
    own = STOCK_VOLATILITY**2 * np.exp(2 * VOLATILITY_SPREAD**2)
    sector = SECTOR_VOLATILITY**2 * (1 - 1 / params.sectors) / own
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    market = (BETA_SPREAD * MARKET_VOLATILITY * nodes) ** 2 / own
    signal = _signal_variance(params)
    by_node = np.sqrt(signal) / np.sqrt(1 + signal + sector + market)
    return float((weights * by_node).sum() / weights.sum())


def _signal_variance(params: MarketParams) -> float:
    """Sum the variances of the effects; reversal and spill-over are negatively correlated."""
    strengths, count = params.strengths, params.neighbours
    in_cluster = params.cluster_size > count
    spread = np.sqrt(count * (1 + (count - 1) * CLUSTER_SHARE))
    shared = CLUSTER_SHARE * count / spread if in_cluster else 0.0
    separate = strengths.reversal**2 + strengths.momentum**2 + strengths.spillover**2 + strengths.periodic**2
    return float(separate - 2 * strengths.reversal * strengths.spillover * shared)


def _days_until(observed: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Count the days from each observation to the stock's ``count``-th next one; 0 at the end."""
    days = np.zeros(observed.shape, dtype=np.int64)
    for stock in range(observed.shape[1]):
        own = np.flatnonzero(observed[:, stock])
        days[own[:-count], stock] = own[count:] - own[:-count]
    return days
