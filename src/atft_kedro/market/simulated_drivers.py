"""What drives the simulated market: shocks, regimes, hidden neighbours and the planted predictability."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..params import Params
from ..schema import HORIZONS, Horizons

Floats = NDArray[np.float64]
Strength = Annotated[float, Field(ge=0, le=0.5)]
Share = Annotated[float, Field(ge=0, lt=1)]

MARKET_VOLATILITY = 0.009  # a calm-to-average day's standard deviation of the common factor
SECTOR_VOLATILITY = 0.005
STOCK_VOLATILITY = 0.018  # median over stocks
VOLATILITY_SPREAD = 0.35  # standard deviation of a stock's log volatility
BETA_SPREAD = 0.4
DRIFT = 0.0003
REGIME_LEVELS = np.array([0.8, 1.8])  # calm, turbulent
REGIME_STAYS = np.array([0.985, 0.94])
TAIL_DEGREES = 5  # Student t
LARGEST_SHOCK = 8.0  # standard deviations
CLUSTER_SHARE = 0.35  # of a stock's own variance that its cluster has in common
MOMENTUM_SKIPS, MOMENTUM_SPANS = 5, 20
PHASE_DRIFT = 0.15  # radians a day
VOLUME_WAVE = 1.0  # amplitude in log volume of the interest that comes in waves and moves prices a little
BURN_IN = MOMENTUM_SKIPS + MOMENTUM_SPANS


class Strengths(Params):
    """How much of tomorrow's standardised return each planted effect explains; 0 switches one off.

    All of them can be seen: reversal, momentum and spill-over follow what stocks did beyond market and sector, and
    the periodic effect the wave in the stock's own volume.
    """

    reversal: Strength = 0.07
    momentum: Strength = 0.055
    spillover: Strength = 0.095
    periodic: Strength = 0.07


class MarketParams(Params):
    """The simulated market; the oracle expects returns over ``horizons``, entered after ``entry_lag`` observations."""

    stocks: Annotated[int, Field(ge=2)] = 200
    days: Annotated[int, Field(ge=30)] = 1000
    seed: Annotated[int, Field(ge=0)] = 7
    start: date = date(2016, 1, 4)
    sectors: Annotated[int, Field(ge=1)] = 11
    cluster_size: Annotated[int, Field(ge=2)] = 5
    neighbours: Annotated[int, Field(ge=1)] = 4
    strengths: Strengths = Strengths()
    late_listings: Share = 0.1
    delistings: Share = 0.1
    missing_days: Share = 0.002
    horizons: Horizons = HORIZONS
    entry_lag: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class Latent:
    """Everything hidden, as arrays ``[day, stock]``; row ``t`` is known at the close of day ``t``."""

    own: Floats  # surprise, the cluster's share in it, variance 1
    phase: Floats
    frequency: Floats  # [stock], radians a day
    volatility: Floats  # [stock]
    regime: NDArray[np.int64]  # [day]: sets the volatility of the day after
    beta: Floats  # [stock]
    cluster: NDArray[np.int64]  # [stock]
    neighbours: NDArray[np.int64]  # [stock, neighbour], positions of stocks

    def sectors(self, count: int) -> NDArray[np.int64]:
        """Put every cluster into one sector."""
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


def expect_standardised(latent: Latent, strengths: Strengths, ahead: int) -> Floats:
    """Expect, at each close, the standardised return of the ``ahead``-th day after it.

    What depends on shocks still to come is expected at zero; the phase is expected to stay, and loses
    ``exp(-drift²/2)`` of its amplitude a day to its own random walk.
    """
    fade = np.sqrt(2) * np.exp(-(PHASE_DRIFT**2) * (ahead - 1) / 2)
    expected: Floats = strengths.periodic * fade * wave(latent, ahead)
    first, last = max(MOMENTUM_SKIPS - ahead + 1, 0), MOMENTUM_SKIPS + MOMENTUM_SPANS - ahead
    expected += strengths.momentum / np.sqrt(MOMENTUM_SPANS) * _sum_lags(latent.own, first, last)
    if ahead == 1:
        nearby = latent.own[:, latent.neighbours].sum(axis=2) / _deviation_of_sum(latent)
        expected += strengths.spillover * nearby - strengths.reversal * latent.own
    return expected


def wave(latent: Latent, ahead: int = 0) -> Floats:
    """Say where in its wave each stock will be ``ahead`` days after each close, if its phase stays."""
    days = np.arange(len(latent.own))[:, None]
    return np.asarray(np.sin(latent.frequency * (days + ahead) + latent.phase), dtype=np.float64)


def _deviation_of_sum(latent: Latent) -> Floats:
    """Know the standard deviation of the sum of each stock's neighbours' surprises: ``[stock]``."""
    theirs = latent.cluster[latent.neighbours]
    together = (theirs[:, :, None] == theirs[:, None, :]).sum(axis=(1, 2))
    deviation: Floats = np.sqrt((1 - CLUSTER_SHARE) * theirs.shape[1] + CLUSTER_SHARE * together)
    return deviation


def expect_level(latent: Latent, ahead: int) -> Floats:
    """Expect, at each close, the volatility level of the ``ahead``-th day after it: ``[day, 1]``."""
    stays = np.diag(REGIME_STAYS) + np.diag(1 - REGIME_STAYS)[:, ::-1]
    levels = np.linalg.matrix_power(stays, ahead - 1) @ REGIME_LEVELS
    return np.asarray(levels[latent.regime][:, None], dtype=np.float64)


def draw_returns(latent: Latent, params: MarketParams, rng: np.random.Generator) -> Floats:
    """Draw every day's returns from what was expected at the close before it."""
    days = len(latent.own)
    level = np.concatenate([REGIME_LEVELS[:1], REGIME_LEVELS[latent.regime[:-1]]])[:, None]
    expected = np.roll(expect_standardised(latent, params.strengths, ahead=1), 1, axis=0)
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
    for day, luck in enumerate(rng.uniform(size=days)):
        state = state if luck < REGIME_STAYS[state] else 1 - state
        states[day] = state
    return states


def _draw_neighbours(rng: np.random.Generator, cluster: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Give each stock ``count`` others of its own cluster, or of the market where a cluster is too small."""
    everyone = np.arange(len(cluster))
    count = min(count, len(cluster) - 1)
    chosen = []
    for stock in everyone:
        near = everyone[(cluster == cluster[stock]) & (everyone != stock)]
        pool = near if len(near) >= count else everyone[everyone != stock]
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
