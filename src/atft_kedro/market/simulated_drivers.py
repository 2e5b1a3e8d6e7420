"""Hidden drivers of the simulated market: shocks, regimes, neighbours and predictable effects."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..params import Params
from ..schema import Horizons

Floats = NDArray[np.float64]
Strength = Annotated[float, Field(ge=0, le=0.5)]
Share = Annotated[float, Field(ge=0, lt=1)]

MARKET_VOLATILITY = 0.009  # a calm-to-average day's standard deviation of the common factor
SECTOR_VOLATILITY = 0.005
STOCK_VOLATILITY = 0.018  # median over stocks
VOLATILITY_SPREAD = 0.35  # standard deviation of a stock's log volatility
BETA_SPREAD = 0.4  # standard deviation of beta over stocks
DRIFT = 0.0003  # mean daily return
REGIME_LEVELS = np.array([0.8, 1.8])  # calm, turbulent
REGIME_STAYS = np.array([0.985, 0.94])  # probability that the regime continues on the next day
TAIL_DEGREES = 5  # Student t
LARGEST_SHOCK = 8.0  # standard deviations
CLUSTER_SHARE = 0.35  # share of a stock's own variance that its cluster has in common
MOMENTUM_SKIPS, MOMENTUM_SPANS = 5, 20  # momentum ignores the last 5 days and sums the 20 before
PHASE_DRIFT = 0.15  # radians a day
VOLUME_WAVE = 1.0  # amplitude in log volume of the wave that also drives the periodic effect
BURN_IN = MOMENTUM_SKIPS + MOMENTUM_SPANS


class Strengths(Params):
    """Strength of each planted effect in the next day's standardised return; 0 disables it.

    All are visible in past data: reversal, momentum and spill-over in returns beyond market and sector, the periodic
    effect in the wave of the stock's volume.
    """

    reversal: Strength
    momentum: Strength
    spillover: Strength
    periodic: Strength


class MarketParams(Params):
    """The simulated market; ``horizons`` and ``entry_lag`` are those of the oracle's returns.

    Returns after ``strengths_until`` have no planted effect; those up to this day do not depend on it.
    """

    stocks: Annotated[int, Field(ge=2)]
    days: Annotated[int, Field(ge=30)]
    seed: Annotated[int, Field(ge=0)]
    start: date
    sectors: Annotated[int, Field(ge=1)]
    cluster_size: Annotated[int, Field(ge=2)]
    neighbours: Annotated[int, Field(ge=1)]
    strengths: Strengths
    strengths_until: date | None
    late_listings: Share
    delistings: Share
    missing_days: Share
    horizons: Horizons
    entry_lag: Annotated[int, Field(ge=0)]

    @property
    def planted_days(self) -> int:
        """Return the number of days whose returns have planted effects."""
        if self.strengths_until is None:
            return self.days
        weekdays = int(np.busday_count(self.start, self.strengths_until + timedelta(days=1)))
        return min(max(weekdays, 0), self.days)


@dataclass(frozen=True)
class Latent:
    """Hidden state as arrays ``[day, stock]``; row ``t`` is known at the close of day ``t``."""

    own: Floats  # shock including the cluster's share, variance 1
    phase: Floats
    frequency: Floats  # [stock], radians a day
    volatility: Floats  # [stock]
    regime: NDArray[np.int64]  # [day]: sets the volatility of the day after
    beta: Floats  # [stock]
    cluster: NDArray[np.int64]  # [stock]
    neighbours: NDArray[np.int64]  # [stock, neighbour], positions of stocks

    def sectors(self, count: int) -> NDArray[np.int64]:
        """Return the sector of each stock; a cluster is in one sector."""
        return self.cluster % count


def draw_latent(params: MarketParams, rng: np.random.Generator) -> Latent:
    """Draw the hidden state of ``BURN_IN + days`` days."""
    shape = (BURN_IN + params.days, params.stocks)
    cluster = rng.permutation(np.arange(params.stocks) // params.cluster_size)
    common = _draw_shocks(rng, (shape[0], int(cluster.max()) + 1))
    volatility = STOCK_VOLATILITY * np.exp(VOLATILITY_SPREAD * rng.standard_normal(params.stocks))
    return Latent(
        own=np.sqrt(1 - CLUSTER_SHARE) * _draw_shocks(rng, shape) + np.sqrt(CLUSTER_SHARE) * common[:, cluster],
        phase=rng.uniform(0, 2 * np.pi, params.stocks) + np.cumsum(PHASE_DRIFT * rng.standard_normal(shape), axis=0),
        frequency=2 * np.pi / rng.uniform(6, 14, params.stocks),
        volatility=np.minimum(volatility, 0.06),
        regime=_draw_regime(rng, shape[0]),
        beta=1 + BETA_SPREAD * rng.standard_normal(params.stocks),
        cluster=cluster,
        neighbours=_draw_neighbours(rng, cluster, params.neighbours),
    )


def expect_standardised(latent: Latent, params: MarketParams, ahead: int) -> Floats:
    """Compute the expected standardised return of the ``ahead``-th day after each close.

    Future shocks have expectation zero. The expected wave keeps its phase, and its amplitude shrinks by
    ``exp(-drift²/2)`` a day because the phase is a random walk. The expectation is 0 for days without planted effects.
    """
    strengths = params.strengths
    fade = np.sqrt(2) * np.exp(-(PHASE_DRIFT**2) * (ahead - 1) / 2)
    expected: Floats = strengths.periodic * fade * wave(latent, ahead)
    first, last = max(MOMENTUM_SKIPS - ahead + 1, 0), MOMENTUM_SKIPS + MOMENTUM_SPANS - ahead
    expected += strengths.momentum / np.sqrt(MOMENTUM_SPANS) * _sum_lags(latent.own, first, last)
    if ahead == 1:
        nearby = latent.own[:, latent.neighbours].sum(axis=2) / _deviation_of_sum(latent)
        expected += strengths.spillover * nearby - strengths.reversal * latent.own
    expected[max(BURN_IN + params.planted_days - ahead, 0) : len(expected) - ahead] = 0
    return expected


def wave(latent: Latent, ahead: int = 0) -> Floats:
    """Compute each stock's wave ``ahead`` days after each close, with a constant phase."""
    days = np.arange(len(latent.own))[:, None]
    return np.asarray(np.sin(latent.frequency * (days + ahead) + latent.phase), dtype=np.float64)


def _deviation_of_sum(latent: Latent) -> Floats:
    """Compute the standard deviation of the sum of the neighbours' shocks: ``[stock]``."""
    clusters = latent.cluster[latent.neighbours]
    together = (clusters[:, :, None] == clusters[:, None, :]).sum(axis=(1, 2))
    deviation: Floats = np.sqrt((1 - CLUSTER_SHARE) * clusters.shape[1] + CLUSTER_SHARE * together)
    return deviation


def expect_level(latent: Latent, ahead: int) -> Floats:
    """Compute the expected volatility level ``ahead`` days after each close: ``[day, 1]``."""
    stays = np.diag(REGIME_STAYS) + np.diag(1 - REGIME_STAYS)[:, ::-1]
    levels = np.linalg.matrix_power(stays, ahead - 1) @ REGIME_LEVELS
    return np.asarray(levels[latent.regime][:, None], dtype=np.float64)


def draw_returns(latent: Latent, params: MarketParams, rng: np.random.Generator) -> Floats:
    """Draw each day's returns around their expectation at the previous close."""
    days = len(latent.own)
    level = np.concatenate([REGIME_LEVELS[:1], REGIME_LEVELS[latent.regime[:-1]]])[:, None]
    expected = np.roll(expect_standardised(latent, params, ahead=1), 1, axis=0)
    market = MARKET_VOLATILITY * rng.standard_normal((days, 1)) * latent.beta
    sector = SECTOR_VOLATILITY * rng.standard_normal((days, params.sectors))
    common = market + sector[:, latent.sectors(params.sectors)]
    returns: Floats = DRIFT + level * (common + latent.volatility * (expected + latent.own))
    return np.maximum(returns, -0.95)


def _draw_shocks(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Draw fat-tailed shocks of variance 1, cut at ``LARGEST_SHOCK``."""
    scale = np.sqrt((TAIL_DEGREES - 2) / TAIL_DEGREES)
    shocks: Floats = scale * rng.standard_t(TAIL_DEGREES, shape)
    return np.clip(shocks, -LARGEST_SHOCK, LARGEST_SHOCK)


def _draw_regime(rng: np.random.Generator, days: int) -> NDArray[np.int64]:
    state, states = 0, np.zeros(days, dtype=np.int64)
    for day, draw in enumerate(rng.uniform(size=days)):
        state = state if draw < REGIME_STAYS[state] else 1 - state
        states[day] = state
    return states


def _draw_neighbours(rng: np.random.Generator, cluster: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Draw ``count`` neighbours per stock from its cluster, or from the market for a small cluster."""
    stocks = np.arange(len(cluster))
    count = min(count, len(cluster) - 1)
    chosen = []
    for stock in stocks:
        near = stocks[(cluster == cluster[stock]) & (stocks != stock)]
        pool = near if len(near) >= count else stocks[stocks != stock]
        chosen.append(rng.choice(pool, size=count, replace=False))
    return np.array(chosen)


def _sum_lags(values: Floats, first: int, last: int) -> Floats:
    """Sum ``values[t - first] + … + values[t - last]``; days before the start count as zero."""
    if last < first:
        return np.zeros_like(values)
    sums = np.vstack([np.zeros((last + 1, values.shape[1])), np.cumsum(values, axis=0)])
    days = len(values)
    newest = sums[last + 1 - first : last + 1 - first + days]
    return newest - sums[:days]
