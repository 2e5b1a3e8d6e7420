"""Statistics of daily series: means with standard errors, and Sharpe ratios with their probabilities."""

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
EULER_GAMMA = 0.5772156649015329
NORMAL = NormalDist()


class Mean(Params):
    """The mean of a daily metric over a horizon h; ``None`` where it is undefined.

    ``nonoverlapping_*`` use only days that are at least h days from each other, so that their returns share no day.
    """

    mean: float | None
    std: float | None  # ddof 1
    ir: float | None  # mean divided by std
    se: float | None  # Newey-West, see `standard_error`
    nonoverlapping_mean: float | None
    nonoverlapping_se: float | None
    days: Annotated[int, Field(ge=0)]
    undefined: Annotated[int, Field(ge=0)]  # days with forecasts and returns but without a value


def average(daily: Floats, horizon: int, is_expected: NDArray[np.bool_] | None = None) -> Mean:
    """Average a daily metric (day,) of forecasts over a horizon; NaN days are omitted.

    ``is_expected`` marks the days that should have a value; by default all days.
    """
    days = np.flatnonzero(np.isfinite(daily))
    values, separate = daily[days], daily[select_nonoverlapping(days, horizon)]
    std = values.std(ddof=1) if len(values) > 1 else 0.0
    separate_se = separate.std(ddof=1) / math.sqrt(len(separate)) if len(separate) > 1 else np.nan
    expected = len(daily) if is_expected is None else int(is_expected.sum())
    return Mean(
        mean=finite_or_none(values.mean() if len(values) else np.nan),
        std=finite_or_none(std if len(values) > 1 else np.nan),
        ir=finite_or_none(values.mean() / std if len(values) > 1 and exceeds_rounding(std, values) else np.nan),
        se=finite_or_none(standard_error(daily, horizon)),
        nonoverlapping_mean=finite_or_none(separate.mean() if len(separate) else np.nan),
        nonoverlapping_se=finite_or_none(separate_se),
        days=len(values),
        undefined=expected - len(values),
    )


def select_nonoverlapping(days: NDArray[np.intp], horizon: int) -> list[int]:
    """Select the first day, and then always the next day at least ``horizon`` days later."""
    selected: list[int] = []
    for day in days.tolist():
        if not selected or day >= selected[-1] + horizon:
            selected.append(day)
    return selected


def standard_error(daily: Floats, horizon: int) -> float:
    """Estimate the standard error of the mean of days that share returns over ``horizon`` days.

    This is Newey and West's error with two changes. It uses twice as many lags, because with one lag per shared day it
    is a fifth too small. Its variance is divided by the share of the true variance that the estimate is expected to
    find, see `found_variance_share`: less than half for 110 days that share 20. NaN for fewer than two non-overlapping
    periods.
    """
    count = int(np.isfinite(daily).sum())
    if count < max(2 * horizon, 2):
        return math.nan
    usual_lags = int(4 * (count / 100) ** (2 / 9))  # Newey and West's rule
    lags = min(max(2 * (horizon - 1), usual_lags), count - 1)
    return newey_west(daily, lags) / math.sqrt(found_variance_share(count, horizon, lags))


def newey_west(daily: Floats, lags: int) -> float:
    """Estimate the standard error of the mean of days that are correlated over ``lags`` days.

    The covariances have Bartlett's weights ("A Simple, Positive Semi-Definite … Covariance Matrix", Newey and West,
    1987) and the factor n/(n − 1), so that zero lags give the usual error. Days without a value contribute 0.
    """
    known = np.isfinite(daily)
    count = int(known.sum())
    centred = np.where(known, daily - daily[known].mean(), 0)
    total = float(centred @ centred)
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag])
    return math.sqrt(max(total, 0.0) / (count - 1) / count)


@cache
def found_variance_share(count: int, horizon: int, lags: int) -> float:
    """Compute the expected share of the variance of a mean that Newey and West's estimate finds.

    The values are sums over ``horizon`` independent days. The estimate is a quadratic form of the values minus their
    mean, so its expectation follows from their covariances.
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
    """Simulate how often |t| exceeds a limit when the true mean is zero.

    The values are sums over ``horizon`` independent days; t is their mean divided by `standard_error`.
    """
    sums = np.random.default_rng(7).normal(size=(draws, count + horizon)).cumsum(1)
    daily = sums[:, horizon:] - sums[:, :-horizon]
    return float(np.mean([abs(days.mean()) > limit * standard_error(days, horizon) for days in daily]))


def _sum_rows(by_distance: Floats) -> Floats:
    """Sum the rows of a symmetric Toeplitz matrix, given its first row."""
    forward = by_distance.cumsum()
    sums: Floats = forward + forward[::-1] - by_distance[0]
    return sums


def sharpe(returns: Floats, per_year: float = TRADING_DAYS) -> float:
    """Compute the annual Sharpe ratio of daily returns; NaN for constant or too few returns."""
    if len(returns) < 2:
        return math.nan
    std = returns.std(ddof=1)
    return float(returns.mean() / std * math.sqrt(per_year)) if exceeds_rounding(std, returns) else math.nan


def exceeds_rounding(std: Any, values: Floats) -> Any:
    """Check whether standard deviations exceed the rounding error of the values."""
    return std > ROUNDING * np.abs(values).max()


def bootstrap_sharpe(returns: Floats, block: int, per_year: float = TRADING_DAYS, seed: int = 7) -> tuple[float, float]:
    """Compute a 95 % interval of the annual Sharpe ratio by a circular block bootstrap."""
    count = len(returns)
    if count < 2 * block:
        return math.nan, math.nan
    starts = np.random.default_rng(seed).integers(0, count, (RESAMPLES, -(-count // block)))
    days = (starts[..., None] + np.arange(block)).reshape(RESAMPLES, -1)[:, :count] % count
    drawn = returns[days]
    std = drawn.std(axis=1, ddof=1)
    is_defined = exceeds_rounding(std, returns)
    ratios = drawn.mean(axis=1)[is_defined] / std[is_defined] * math.sqrt(per_year)
    low, high = np.percentile(ratios, INTERVAL) if len(ratios) else (math.nan, math.nan)
    return float(low), float(high)


def probabilistic_sharpe(returns: Floats, benchmark: float = 0.0) -> float:
    """Compute the probability that the true daily Sharpe ratio exceeds a benchmark.

    It depends on the skew and the tails of the returns: "The Sharpe Ratio Efficient Frontier" (Bailey and López de
    Prado, 2012).
    """
    count, ratio = len(returns), sharpe(returns, per_year=1)
    if not math.isfinite(ratio):
        return math.nan
    z = (returns - returns.mean()) / returns.std()
    variance = 1 - (z**3).mean() * ratio + ((z**4).mean() - 1) / 4 * ratio**2
    return NORMAL.cdf((ratio - benchmark) * math.sqrt((count - 1) / variance)) if variance > 0 else math.nan


def deflated_sharpe(returns: Floats, tried: Floats, trials: int | None = None) -> float:
    """Compute the deflated Sharpe ratio, a probability.

    It is the probability that the true daily ratio exceeds the highest that is expected of so many trials without
    skill. ``tried`` holds the known daily ratios; ``trials`` is the count of all, by default that of the known ones.
    "The Deflated Sharpe Ratio" (Bailey and López de Prado, 2014).
    """
    if len(tried) < 2:
        return probabilistic_sharpe(returns)
    return probabilistic_sharpe(returns, float(tried.std(ddof=1)) * expected_maximum(trials or len(tried)))


def expected_maximum(count: int) -> float:
    """Approximate the expected maximum of ``count`` standard normal draws."""
    if count < 2:
        return 0.0
    lower, higher = NORMAL.inv_cdf(1 - 1 / count), NORMAL.inv_cdf(1 - 1 / (count * math.e))
    return (1 - EULER_GAMMA) * lower + EULER_GAMMA * higher


def drawdown(returns: Floats) -> float:
    """Compute the largest loss from a peak, as a share of the peak."""
    wealth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return float((1 - wealth / np.maximum.accumulate(wealth)).max())


def mean_or_none(values: Floats) -> float | None:
    """Average the finite values; None without any."""
    finite = values[np.isfinite(values)]
    return finite_or_none(finite.mean()) if len(finite) else None


def finite_or_none(value: float) -> float | None:
    """Return a finite value as a float, and None for NaN and infinity, which JSON cannot hold."""
    return float(value) if math.isfinite(value) else None
