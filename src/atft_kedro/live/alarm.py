"""Sequential test that detects when a live rank IC falls below what the test record promised."""

import math
from typing import Annotated

import numpy as np
from pydantic import Field

from ..evaluation.daily_statistics import NORMAL, Floats, Mean
from ..params import Params

LOWER_QUANTILE = NORMAL.inv_cdf(0.95)  # standard errors from the mean to its one-sided lower 95 % bound
OVERSHOOT = 1.166  # expected excess of a sum of normal values over a level, at both ends (Siegmund)
LARGEST_REFERENCE = 0.5  # deviations; with a larger one, one day can make an alarm

Days = Annotated[float, Field(gt=1)]


class AlarmParams(Params):
    """Mean numbers of days between two false alarms, and between two false warnings."""

    days_between_false_alarms: Days
    days_between_false_warnings: Days


class RankIcTest(Params):
    """A CUSUM test of the hypothesis that the mean daily rank IC is ``limit`` or more.

    The statistic of day t is S(t) = max(0, S(t − 1) + (limit − rank IC) / deviation − reference). The reference is half
    of the limit in deviations, which detects a mean of 0 fastest ("Continuous Inspection Schemes", Page, 1954). While
    the mean is the limit, the mean number of days until S reaches ``alarm`` is ``days_between_false_alarms``, however
    often it is looked at; with a higher mean it is larger.
    """

    promised: float  # mean of the test record
    lower_bound: float  # one-sided 95 % bound of that mean
    limit: float  # half of the bound
    deviation: float  # of the record's daily values
    reference: float
    warning: float
    alarm: float

    def compute_steps(self, daily: Floats) -> Floats:
        """Compute what each day adds to the statistic; 0 for a day without a value (NaN)."""
        return np.where(np.isfinite(daily), (self.limit - daily) / self.deviation - self.reference, 0)

    def accumulate(self, daily: Floats) -> Floats:
        """Compute the statistic after each day; a day without a value (NaN) leaves it unchanged."""
        return accumulate_steps(self.compute_steps(daily))


def accumulate_steps(steps: Floats) -> Floats:
    """Add the steps of all days; the sum is 0 where it would be negative."""
    sums = np.concatenate([[0.0], np.cumsum(steps)])
    statistic: Floats = (sums - np.minimum.accumulate(sums))[1:]
    return statistic


def plan_rank_ic_test(record: Mean, horizon: int, params: AlarmParams) -> RankIcTest | None:
    """Choose the limit and the levels of the test; None if the record promises nothing.

    It promises nothing if its lower 95 % bound is unknown, 0 or less. Every ``horizon``-th day is tested, so that no
    two of them share a return.
    """
    if record.mean is None or record.se is None or not record.std:
        return None
    lower_bound = record.mean - LOWER_QUANTILE * record.se
    if lower_bound <= 0:
        return None
    limit = lower_bound / 2
    reference = min(limit / record.std / 2, LARGEST_REFERENCE)
    return RankIcTest(
        promised=record.mean,
        lower_bound=lower_bound,
        limit=limit,
        deviation=record.std,
        reference=reference,
        warning=solve_level(reference, params.days_between_false_warnings / horizon),
        alarm=solve_level(reference, params.days_between_false_alarms / horizon),
    )


def solve_level(reference: float, run_length: float) -> float:
    """Find the level that a CUSUM of normal values reaches after ``run_length`` on average."""
    low, high = 0.0, 1.0
    while approximate_run_length(reference, high) < run_length:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        is_low = approximate_run_length(reference, middle) < run_length
        low, high = (middle, high) if is_low else (low, middle)
    return high


def approximate_run_length(reference: float, level: float) -> float:
    """Approximate the mean number of standard normal values until a CUSUM reaches a level.

    The formula is Siegmund's ("Sequential Analysis", 1985, equation 2.56).
    """
    exponent = 2 * reference * (level + OVERSHOOT)
    return (math.expm1(exponent) - exponent) / (2 * reference**2)
