"""Averages of daily series against slow loops and values worked out by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from atft_kedro.evaluation.daily_statistics import (
    average,
    bootstrap_sharpe,
    deflated_sharpe,
    drawdown,
    found_variance_share,
    newey_west,
    probabilistic_sharpe,
    sharpe,
    standard_error,
)


def slow_newey_west(values: np.ndarray, lags: int) -> float:
    mean, count, total = values.mean(), len(values), 0.0
    for one in range(count):
        for other in range(count):
            separate = abs(one - other)
            if separate <= lags:
                total += (1 - separate / (lags + 1)) * (values[one] - mean) * (values[other] - mean)
    return math.sqrt(total / (count - 1) / count)


@pytest.mark.parametrize("lags", [4, 9, 19])
def test_the_error_is_that_of_a_slow_loop(lags: int) -> None:
    values = np.convolve(np.random.default_rng(3).normal(size=150), np.ones(5), "valid")

    assert newey_west(values, lags) == pytest.approx(slow_newey_west(values, lags), rel=1e-12)


def test_overlapping_days_have_larger_errors() -> None:
    random = np.random.default_rng(5)
    runs = [np.convolve(random.normal(size=519), np.ones(20), "valid") for _ in range(300)]
    truth = np.std([run.mean() for run in runs])

    assert np.sqrt(np.mean([standard_error(run, 20) ** 2 for run in runs])) == pytest.approx(truth, rel=0.12)
    assert np.mean([run.std(ddof=1) / math.sqrt(len(run)) for run in runs]) < 0.5 * truth


@pytest.mark.parametrize(("days", "horizon"), [(110, 1), (60, 20), (110, 20), (180, 20), (180, 5)])
def test_few_days_that_share_returns_have_correct_errors(days: int, horizon: int) -> None:
    random = np.random.default_rng(8)
    runs = [np.convolve(random.normal(size=days + horizon - 1), np.ones(horizon), "valid") for _ in range(800)]
    truth = np.std([run.mean() for run in runs])

    assert np.sqrt(np.mean([standard_error(run, horizon) ** 2 for run in runs])) == pytest.approx(truth, rel=0.1)


def test_the_share_of_the_variance_that_is_found_is_that_of_the_whole_matrices() -> None:
    count, horizon, lags = 50, 7, 12
    separate = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    covariance = np.clip(1 - separate / horizon, 0, None)
    weights = np.clip(1 - separate / (lags + 1), 0, None)
    centre = np.eye(count) - 1 / count
    found = np.trace(weights @ centre @ covariance @ centre) / count / (count - 1)

    assert found_variance_share(count, horizon, lags) == pytest.approx(found / (covariance.sum() / count**2))


def test_less_than_two_spans_have_no_error() -> None:
    assert math.isnan(standard_error(np.random.default_rng(1).normal(size=39), 20))
    assert standard_error(np.random.default_rng(1).normal(size=40), 20) > 0


def test_missing_days_are_ignored() -> None:
    daily = np.array([1.0, np.nan, 3.0, np.nan])
    scored = average(daily, 1)

    assert (scored.mean, scored.days, scored.undefined) == (2.0, 2, 2)
    assert scored.std == pytest.approx(math.sqrt(2))
    assert scored.ir == pytest.approx(2 / math.sqrt(2))


def test_nonoverlapping_days_are_every_hth() -> None:
    scored = average(np.arange(10.0), 5)

    assert scored.nonoverlapping_mean == 2.5  # days 0 and 5
    assert scored.nonoverlapping_se == pytest.approx(2.5)


def test_an_empty_series_has_no_mean() -> None:
    scored = average(np.full(3, np.nan), 1)

    assert (scored.mean, scored.std, scored.ir, scored.se, scored.days, scored.undefined) == (
        None,
        None,
        None,
        None,
        0,
        3,
    )
    assert average(np.array([0.5]), 1).se is None


def test_a_years_sharpe_ratio_and_its_sign() -> None:
    returns = np.array([0.01, 0.03])

    assert sharpe(returns) == pytest.approx(0.02 / (0.01 * math.sqrt(2)) * math.sqrt(252))
    assert sharpe(-returns) == -sharpe(returns)
    assert math.isnan(sharpe(np.zeros(5)))


def test_the_interval_of_independent_days_is_the_known_one() -> None:
    returns = np.random.default_rng(1).normal(0.001, 0.01, 2000)
    low, high = bootstrap_sharpe(returns, block=5)

    error = math.sqrt(252 / 2000)
    assert low == pytest.approx(sharpe(returns) - 1.96 * error, abs=0.15)
    assert high == pytest.approx(sharpe(returns) + 1.96 * error, abs=0.15)
    assert (low, high) == bootstrap_sharpe(returns, block=5)


def test_blocks_keep_correlated_days_together() -> None:
    shocks = np.random.default_rng(2).normal(0, 0.01, 2019)
    smooth = np.convolve(shocks, np.ones(20) / 20, "valid")

    separate, together = (np.subtract(*bootstrap_sharpe(smooth, block)[::-1]) for block in (1, 40))
    assert together > 2 * separate


def test_short_samples_and_fat_tails_lower_the_probability() -> None:
    random = np.random.default_rng(4)
    normal = random.normal(0.0005, 0.01, 500)
    ratio = normal.mean() / normal.std(ddof=1)
    z = (normal - normal.mean()) / normal.std()
    spread = math.sqrt(1 - stats.skew(normal) * ratio + (np.mean(z**4) - 1) / 4 * ratio**2)

    assert probabilistic_sharpe(normal) == pytest.approx(stats.norm.cdf(ratio * math.sqrt(499) / spread))
    assert deflated_sharpe(normal, random.normal(0, 0.05, 100)) < probabilistic_sharpe(normal)
    assert deflated_sharpe(normal, np.array([0.1])) == probabilistic_sharpe(normal)


def test_the_deflated_ratio_accounts_for_the_best_by_chance() -> None:
    returns, tried = np.random.default_rng(4).normal(0.001, 0.01, 500), np.array([0.01, 0.05, 0.03, 0.11])
    euler = 0.5772156649015329
    for trials in (4, 200):
        first, second = stats.norm.ppf(1 - 1 / trials), stats.norm.ppf(1 - 1 / (trials * math.e))
        chance = tried.std(ddof=1) * ((1 - euler) * first + euler * second)

        assert deflated_sharpe(returns, tried, trials) == pytest.approx(
            probabilistic_sharpe(returns, chance), abs=1e-12
        )
    assert deflated_sharpe(returns, tried) == deflated_sharpe(returns, tried, 4)


def test_the_drawdown_is_from_the_highest_peak() -> None:
    assert drawdown(np.array([1.0, -0.5, 0.2, -0.5])) == pytest.approx(1 - 0.5 * 1.2 * 0.5)
    assert drawdown(np.array([0.1, 0.1])) == 0
    assert drawdown(np.array([-0.1])) == pytest.approx(0.1)
