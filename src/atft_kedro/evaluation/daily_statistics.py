"""A daily series, averaged: how large, how sure, and how likely by luck."""

import math
from functools import cache
from statistics import NormalDist
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..metrics import ROUNDING, TRADING_DAYS
from ..params import Params

Floats = NDArray[np.float64]

RESAMPLES = 1000
INTERVAL = (2.5, 97.5)  # percent
EULER = 0.5772156649015329
NORMAL = NormalDist()


class Mean(Params):
    """The mean of a daily metric. ``None`` stands where nothing is defined.

    ``se`` is `error_of_mean`; ``apart`` takes days that lie h apart only, which share nothing.
    """

    mean: float | None
    std: float | None  # ddof 1
    ir: float | None  # mean over std
    se: float | None
    nonoverlapping_mean: float | None
    nonoverlapping_se: float | None
    days: Annotated[int, Field(ge=0)]
    undefined: Annotated[int, Field(ge=0)]  # days that have forecasts and returns, and yet no value


def average(daily: Floats, horizon: int, asked: NDArray[np.bool_] | None = None) -> Mean:
    """Average a daily metric of forecasts over so many days; where not ``asked``, there is nothing to measure."""
    place = np.flatnonzero(np.isfinite(daily))
    known, apart = daily[place], daily[keep_apart(place, horizon)]
    std = known.std(ddof=1) if len(known) > 1 else 0.0
    return Mean(
        mean=or_none(known.mean() if len(known) else np.nan),
        std=or_none(std if len(known) > 1 else np.nan),
        ir=or_none(known.mean() / std if len(known) > 1 and moves(std, known) else np.nan),
        se=or_none(error_of_mean(daily, horizon)),
        nonoverlapping_mean=or_none(apart.mean() if len(apart) else np.nan),
        nonoverlapping_se=or_none(apart.std(ddof=1) / math.sqrt(len(apart)) if len(apart) > 1 else np.nan),
        days=len(known),
        undefined=int((asked if asked is not None else np.ones(len(daily), bool)).sum()) - len(known),
    )


def keep_apart(place: NDArray[np.intp], horizon: int) -> list[int]:
    """Take the first place, and each next one that lies ``horizon`` behind the last taken."""
    kept: list[int] = []
    for each in place.tolist():
        if not kept or each >= kept[-1] + horizon:
            kept.append(each)
    return kept


def error_of_mean(daily: Floats, horizon: int) -> float:
    """Estimate the standard error of the mean of days that share returns over ``horizon`` days.

    Newey and West's, over twice as many lags, for over just as many it is a fifth too small; and divided by the share
    of the variance that this finds in so few days, which on 110 days that share 20 is less than half. Of less than two
    spans that share nothing there is no error.
    """
    count = int(np.isfinite(daily).sum())
    if count < max(2 * horizon, 2):
        return math.nan
    lags = _choose_lags(count, 2 * (horizon - 1))
    return newey_west(daily, lags) / math.sqrt(found_share(count, horizon, lags))


def _choose_lags(count: int, least: int) -> int:
    """Take Newey and West's usual number of lags, or more."""
    usual = int(4 * (count / 100) ** (2 / 9))
    return min(max(least, usual), count - 1)


def newey_west(daily: Floats, lags: int) -> float:
    """Estimate the standard error of a mean whose days hang together over ``lags`` days.

    Bartlett's weights ("A Simple, Positive Semi-Definite … Covariance Matrix", Newey and West, 1987), with n/(n − 1)
    so that no lags give the plain error. Days without a value add nothing to any product.
    """
    known = np.isfinite(daily)
    count = int(known.sum())
    centred = np.where(known, daily - daily[known].mean(), 0)
    total = float(centred @ centred)
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag])
    return math.sqrt(max(total, 0.0) / (count - 1) / count)


@cache
def found_share(count: int, horizon: int, lags: int) -> float:
    """Say which share of the variance of a mean Newey and West's estimate finds on average.

    Of days that are sums over ``horizon`` independent days: the estimate is a quadratic form of the days less their
    mean, so its expectation follows from the days' covariances.
    """
    overlap = np.clip(1 - np.arange(count) / horizon, 0, None)  # covariance by distance
    weight = np.clip(1 - np.arange(count) / (lags + 1), 0, None)
    pairs = np.append(count, 2 * (count - np.arange(1, count)))  # of days, by distance
    by_day, weights = _sum_rows(overlap), _sum_rows(weight)
    variance = by_day.sum() / count**2
    found = pairs @ (weight * overlap) - 2 * by_day @ weights / count + variance * weights.sum()
    return float(found / count / (count - 1) / variance)


@cache
def compute_false_positive_rate(count: int, horizon: int, limit: float = 2.0, draws: int = 1000) -> float:
    """Estimate by simulation how often |t| exceeds a limit where nothing is to be found.

    The days are sums over ``horizon`` independent days, and t is their mean over `error_of_mean`.
    """
    sums = np.random.default_rng(7).normal(size=(draws, count + horizon)).cumsum(1)
    daily = sums[:, horizon:] - sums[:, :-horizon]
    return float(np.mean([abs(days.mean()) > limit * error_of_mean(days, horizon) for days in daily]))


def _sum_rows(by_distance: Floats) -> Floats:
    """Sum the rows of the symmetric matrix whose elements depend on their distance from the diagonal."""
    forward = by_distance.cumsum()
    whole: Floats = forward + forward[::-1] - by_distance[0]
    return whole


def sharpe(returns: Floats, per_year: float = TRADING_DAYS) -> float:
    """Divide mean by deviation (ddof 1), for a year; NaN where nothing moves."""
    if len(returns) < 2:
        return math.nan
    std = returns.std(ddof=1)
    return float(returns.mean() / std * math.sqrt(per_year)) if moves(std, returns) else math.nan


def moves(std: Any, values: Floats) -> Any:
    """Say whether deviations are more than the rounding of what deviates."""
    return std > ROUNDING * np.abs(values).max()


def bootstrap_sharpe(returns: Floats, block: int, per_year: float = TRADING_DAYS, seed: int = 7) -> tuple[float, float]:
    """Give an interval for the Sharpe ratio by drawing blocks of days, around the end to the beginning."""
    count = len(returns)
    if count < 2 * block:
        return math.nan, math.nan
    starts = np.random.default_rng(seed).integers(0, count, (RESAMPLES, -(-count // block)))
    days = (starts[..., None] + np.arange(block)).reshape(RESAMPLES, -1)[:, :count] % count
    drawn = returns[days]
    std = drawn.std(axis=1, ddof=1)
    real = moves(std, returns)
    ratios = drawn.mean(axis=1)[real] / std[real] * math.sqrt(per_year)
    low, high = np.percentile(ratios, INTERVAL) if len(ratios) else (math.nan, math.nan)
    return float(low), float(high)


def probabilistic_sharpe(returns: Floats, benchmark: float = 0.0) -> float:
    """Say how likely the true Sharpe ratio of a day is above a benchmark, given skew and tails.

    "The Sharpe Ratio Efficient Frontier" (Bailey and López de Prado, 2012).
    """
    count, ratio = len(returns), sharpe(returns, per_year=1)
    if not math.isfinite(ratio):
        return math.nan
    z = (returns - returns.mean()) / returns.std()
    variance = 1 - (z**3).mean() * ratio + ((z**4).mean() - 1) / 4 * ratio**2
    return NORMAL.cdf((ratio - benchmark) * math.sqrt((count - 1) / variance)) if variance > 0 else math.nan


def deflated_sharpe(returns: Floats, tried: Floats, trials: int | None = None) -> float:
    """Say how likely the true ratio is above the best that luck gives among all ratios (of a day) that were tried.

    Where not all that were tried are known, ``trials`` says how many there were, of the same deviation.
    "The Deflated Sharpe Ratio" (Bailey and López de Prado, 2014).
    """
    count = trials or len(tried)
    if len(tried) < 2:
        return probabilistic_sharpe(returns)
    return probabilistic_sharpe(returns, benchmark=float(tried.std(ddof=1)) * expect_best(count))


def expect_best(count: int) -> float:
    """Say by how many deviations luck alone is expected to lift the best of so many draws above their mean."""
    if count < 2:
        return 0.0
    return (1 - EULER) * NORMAL.inv_cdf(1 - 1 / count) + EULER * NORMAL.inv_cdf(1 - 1 / (count * math.e))


def drawdown(returns: Floats) -> float:
    """Say how much was lost at most from a peak, as a share of it."""
    worth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return float((1 - worth / np.maximum.accumulate(worth)).max())


def mean_or_none(values: Floats) -> float | None:
    """Average what is a number."""
    known = values[np.isfinite(values)]
    return or_none(known.mean()) if len(known) else None


def or_none(value: float) -> float | None:
    """Write what is undefined as nothing, which JSON has a word for."""
    return float(value) if math.isfinite(value) else None
