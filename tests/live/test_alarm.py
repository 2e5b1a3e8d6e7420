"""The sequential test of the rank IC against slow loops and simulated days."""

import numpy as np
import pytest

from atft_kedro.evaluation.daily_statistics import Mean, average
from atft_kedro.live.alarm import AlarmParams, RankIcTest, approximate_run_length, plan_rank_ic_test, solve_level

PARAMS = AlarmParams(days_between_false_alarms=500, days_between_false_warnings=100)


def make_record(mean: float, deviation: float, days: int) -> Mean:
    values = np.random.default_rng(1).normal(size=days)
    return average(mean + deviation * (values - values.mean()) / values.std(ddof=1), 1)


def plan(mean: float = 0.04, deviation: float = 0.08, days: int = 250, horizon: int = 1) -> RankIcTest:
    test = plan_rank_ic_test(make_record(mean, deviation, days), horizon, PARAMS)
    assert test is not None
    return test


def count_days(test: RankIcTest, daily: np.ndarray, level: float) -> np.ndarray:
    """Count the days of each path (row) until the statistic reaches the level."""
    reached = np.stack([test.accumulate(path) for path in daily]) >= level
    assert reached.any(axis=1).all()
    return reached.argmax(axis=1) + 1


def test_the_statistic_is_that_of_a_slow_loop() -> None:
    test, daily = plan(), np.random.default_rng(2).normal(0.01, 0.08, 300)
    daily[[0, 7, 299]] = np.nan
    value, slow = 0.0, []
    for ic in daily:
        if np.isfinite(ic):
            value = max(0.0, value + (test.limit - ic) / test.deviation - test.reference)
        slow.append(value)

    np.testing.assert_allclose(test.accumulate(daily), slow, atol=1e-12)


@pytest.mark.parametrize(("mean", "deviation", "days"), [(0.04, 0.08, 250), (0.15, 0.08, 150), (0.02, 0.1, 500)])
def test_false_alarms_and_warnings_are_as_rare_as_stated(mean: float, deviation: float, days: int) -> None:
    test = plan(mean, deviation, days)
    daily = np.random.default_rng(3).normal(test.limit, deviation, (400, 6000))

    # the means of 400 paths have a standard error of 5 %
    assert count_days(test, daily, test.alarm).mean() == pytest.approx(500, rel=0.15)
    assert count_days(test, daily, test.warning).mean() == pytest.approx(100, rel=0.15)


@pytest.mark.parametrize(("mean", "most"), [(0.04, 90), (0.15, 30)])
def test_half_of_the_alarms_come_soon_after_the_signal_ends(mean: float, most: int) -> None:
    test = plan(mean)
    daily = np.random.default_rng(4).normal(0, 0.08, (200, 2000))
    daily[:, :100] += mean
    days = count_days(test, daily, test.alarm)

    assert (days <= 100).mean() < 0.02
    assert np.median(days[days > 100] - 100) <= most


def test_a_kept_promise_alarms_far_more_seldom() -> None:
    test = plan()
    daily = np.random.default_rng(5).normal(0.75 * 0.04, 0.08, (100, 1000))

    assert (np.stack([test.accumulate(path) for path in daily]).max(axis=1) >= test.alarm).mean() < 0.25


def test_a_longer_horizon_counts_the_days_between_its_values() -> None:
    every_day, every_fifth = plan(), plan(horizon=5)

    assert approximate_run_length(every_fifth.reference, every_fifth.alarm) == pytest.approx(100)
    assert every_fifth.alarm < every_day.alarm


@pytest.mark.parametrize("record", [(0.001, 0.08, 100), (-0.05, 0.08, 100), (0.3, 0.1, 1)])
def test_a_record_that_promises_nothing_has_no_test(record: tuple[float, float, int]) -> None:
    with np.errstate(invalid="ignore", divide="ignore"):
        means = make_record(*record) if record[2] > 1 else average(np.array([0.3]), 1)

    assert plan_rank_ic_test(means, 1, PARAMS) is None


def test_one_day_never_makes_an_alarm_of_a_record_without_noise() -> None:
    test = plan(mean=0.9, deviation=0.01)

    assert test.reference == 0.5
    assert test.warning > 1
    assert solve_level(0.5, 500) == test.alarm
