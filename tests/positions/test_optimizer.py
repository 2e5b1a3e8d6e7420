"""Test the optimiser in problems whose solution is known."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from atft_kedro.positions.optimizer import DayProblem, LimitParams, PositionOptimizer, bound_weights
from atft_kedro.positions.price_arrays import Floats

FREE: dict[str, Any] = dict.fromkeys(("net", "name", "name_multiple", "sector", "beta", "turnover", "volume_share"))
GAMMA = 10.0


def make_optimizer(groups: Floats, *, long_only: bool = False, **limits: Any) -> PositionOptimizer:
    params = LimitParams(**{"gross": 100.0, **FREE, **limits})
    return PositionOptimizer(groups.astype(np.int64), 1, params, long_only=long_only)


def make_day(expected: Floats, **changes: Any) -> DayProblem:
    stocks = len(expected)
    values: dict[str, Any] = {
        "held": np.zeros(stocks),
        "loadings": np.zeros((stocks, 1)),
        "specific": np.full(stocks, 0.02),
        "beta": np.ones(stocks),
        "linear_cost": np.zeros(stocks),
        "quadratic_cost": np.zeros(stocks),
        "borrow_cost": 0.0,
        "largest_trade": np.full(stocks, 1e3),
        "benchmark": np.zeros(stocks),
    }
    return DayProblem(expected=expected, **{**values, **changes})


def solve(optimizer: PositionOptimizer, day: DayProblem, cost_share: float = 1.0) -> Floats:
    weights = optimizer.solve(day, GAMMA, cost_share)
    assert weights is not None
    return weights


def test_two_correlated_assets_without_costs_are_held_in_mean_variance_proportions() -> None:
    expected, loadings, specific = np.array([4e-4, -1e-4]), np.array([[0.01], [0.02]]), np.array([0.01, 0.03])

    weights = solve(make_optimizer(np.zeros(2)), make_day(expected, loadings=loadings, specific=specific))

    covariance = loadings @ loadings.T + np.diag(specific**2)
    np.testing.assert_allclose(weights, np.linalg.solve(GAMMA * covariance, expected), rtol=1e-5)


def test_a_position_is_not_traded_inside_the_no_trade_region_and_only_to_its_border_outside() -> None:
    variance, cost = 0.02**2, 5e-4
    expected = np.full(3, 1e-3)
    aim = expected[0] / (GAMMA * variance)  # 0.25; the region is aim ± cost / (gamma variance)
    width = cost / (GAMMA * variance)
    held = np.array([aim - 0.5 * width, aim - 1.5 * width, aim + 3 * width])

    weights = solve(make_optimizer(np.zeros(3)), make_day(expected, held=held, linear_cost=np.full(3, cost)))

    np.testing.assert_allclose(weights, [held[0], aim - width, aim + width], atol=1e-6)


def test_one_day_bears_its_share_of_the_costs() -> None:
    day = make_day(np.full(1, 1e-3), linear_cost=np.full(1, 5e-4))

    weights = solve(make_optimizer(np.zeros(1)), day, cost_share=0.2)

    np.testing.assert_allclose(weights, (1e-3 - 0.2 * 5e-4) / (GAMMA * 4e-4), rtol=1e-5)


@pytest.mark.parametrize(
    ("limit", "measure"),
    [
        ({"gross": 0.3}, lambda weights: np.abs(weights).sum()),
        ({"net": 0.05}, lambda weights: abs(weights.sum())),
        ({"name": 0.04}, lambda weights: np.abs(weights).max()),
        ({"sector": 0.1}, lambda weights: max(abs(weights[:4].sum()), abs(weights[4:].sum()))),
        ({"beta": 0.07}, lambda weights: abs(weights @ np.linspace(0.5, 2, 8))),
        ({"turnover": 0.2}, lambda weights: np.abs(weights).sum()),
    ],
)
def test_a_limit_binds_and_is_kept(limit: dict[str, float], measure: Any) -> None:
    rng = np.random.default_rng(2)
    expected = np.abs(rng.normal(size=8)) * 1e-3
    day = make_day(expected, beta=np.linspace(0.5, 2, 8))

    weights = solve(make_optimizer(np.repeat([0, 1], 4), **limit), day)

    (value,) = limit.values()
    assert measure(weights) == pytest.approx(value, rel=1e-4)
    assert measure(expected / (GAMMA * 4e-4)) > 1.5 * value


def test_a_long_only_portfolio_holds_the_benchmark_without_expected_returns() -> None:
    benchmark = np.array([0.5, 0.3, 0.2])

    weights = solve(make_optimizer(np.zeros(3), long_only=True, gross=1.0), make_day(np.zeros(3), benchmark=benchmark))

    np.testing.assert_allclose(weights, benchmark, atol=1e-5)


def test_a_long_only_portfolio_sells_nothing_short() -> None:
    benchmark, expected = np.full(3, 1 / 3), np.array([-5e-3, 1e-3, 1e-3])

    weights = solve(make_optimizer(np.zeros(3), long_only=True, gross=1.0), make_day(expected, benchmark=benchmark))

    np.testing.assert_allclose(weights, [0, 0.5, 0.5], atol=1e-5)


def test_the_borrow_fee_is_paid_by_short_positions_only() -> None:
    fee, expected = 2e-4, np.array([1e-3, -1e-3, -1e-4])

    weights = solve(make_optimizer(np.zeros(3)), make_day(expected, borrow_cost=fee))

    np.testing.assert_allclose(weights, np.array([1e-3, -1e-3 + fee, 0]) / (GAMMA * 4e-4), atol=1e-6)


def test_a_stock_that_cannot_be_traded_keeps_its_weight_above_its_limit() -> None:
    held, largest = np.array([0.2, 0.0]), np.array([0.0, 1.0])

    weights = solve(make_optimizer(np.zeros(2), name=0.1), make_day(np.full(2, 1e-3), held=held, largest_trade=largest))

    np.testing.assert_allclose(weights, [0.2, 0.1], atol=1e-6)


def test_a_position_without_a_forecast_can_only_be_reduced() -> None:
    held = np.array([0.05, -0.05, 0.0])
    loadings = np.array([[0.01], [0.01], [0.01]])

    day = make_day(np.full(3, np.nan), held=held)
    bounds = bound_weights(day, LimitParams(gross=1, **FREE), 1, long_only=False)
    weights = solve(make_optimizer(np.zeros(3)), make_day(np.full(3, np.nan), held=held, loadings=loadings))

    assert (bounds.lower.tolist(), bounds.upper.tolist()) == ([0, -0.05, 0], [0.05, 0, 0])
    np.testing.assert_allclose(weights, [0, 0, 0], atol=1e-5)  # there is no expected return: risk is all that counts


def test_a_limit_that_cannot_be_kept_does_not_stop_the_trades_of_other_stocks() -> None:
    held, largest = np.array([0.3, 0.0, 0.0]), np.array([0.0, 1.0, 1.0])  # the first stock is suspended
    day = make_day(np.array([0.0, 1e-3, -1e-3]), held=held, largest_trade=largest)

    weights = solve(make_optimizer(np.array([0, 1, 2]), sector=0.1, net=0.2, gross=0.5), day)

    np.testing.assert_allclose(weights, [0.3, 0.1, -0.1], atol=1e-5)


def test_a_long_only_portfolio_that_starts_from_cash_approaches_its_beta_within_the_turnover() -> None:
    optimizer = make_optimizer(np.zeros(4), long_only=True, gross=1.0, beta=0.1, turnover=0.3)
    held = np.zeros(4)

    for _ in range(4):
        held = solve(optimizer, make_day(np.zeros(4), held=held, benchmark=np.full(4, 0.25)))

    np.testing.assert_allclose(held, 0.25, atol=0.03)


def test_a_problem_that_the_solver_cannot_solve_has_no_weights() -> None:
    day = make_day(np.array([1e200, -1e200]), specific=np.array([1e100, 1e-100]))

    assert make_optimizer(np.zeros(2)).solve(day, GAMMA, 1.0) is None


@pytest.mark.parametrize("name", ["net", "name", "sector"])
def test_contradictory_limits_are_refused_by_name(name: str) -> None:
    with pytest.raises(
        ValidationError, match=rf"limits.{name} = 2 contradicts limits.gross = 1: {name} cannot exceed gross"
    ):
        LimitParams(**{"gross": 1.0, **FREE, name: 2.0})


def test_the_utility_is_that_of_the_optimal_policy_for_decaying_signals_and_quadratic_costs() -> None:
    """Compare with the closed form of Gârleanu and Pedersen (2013) for signals of different decay."""
    rng = np.random.default_rng(1)
    decay, variance, impact, days = np.array([0.5, 0.2, 0.1, 0.05, 0.02]), 0.02**2, 50.0, 300
    signal = np.zeros((days, 5))
    for day in range(1, days):
        signal[day] = (1 - decay) * signal[day - 1] + 5e-4 * np.sqrt(1 - (1 - decay) ** 2) * rng.normal(size=5)
    value = (-GAMMA + np.sqrt(GAMMA**2 + 4 * GAMMA * impact)) / 2  # of the cost-to-go, in units of the variance
    rate = value / impact
    aims = signal / (1 + decay * value / GAMMA) / (GAMMA * variance)
    per_day = signal / (1 + decay * (1 - rate) / rate)  # what weigh_horizons makes of such a signal
    optimizer = make_optimizer(np.zeros(5), gross=1e3)

    utilities = np.zeros(2)
    best, own = np.zeros(5), np.zeros(5)
    for day in range(days):
        moved = best + rate * (aims[day] - best)
        costs = np.full(5, impact / 2 * variance)
        traded = solve(optimizer, make_day(per_day[day], held=own, quadratic_cost=costs), cost_share=rate)
        for index, (before, after) in enumerate(((best, moved), (own, traded))):
            cost = impact / 2 * variance * ((after - before) ** 2).sum()
            utilities[index] += signal[day] @ after - GAMMA / 2 * variance * (after**2).sum() - cost
        best, own = moved, traded

    assert utilities[1] == pytest.approx(utilities[0], rel=0.02)


def test_the_weight_of_a_stock_is_limited_by_its_multiple_of_the_mean_weight() -> None:
    expected = np.concatenate([[1.0], np.full(39, 1e-6), [np.nan] * 10])  # 40 forecasts

    weights = solve(make_optimizer(np.zeros(50), gross=1.0, name_multiple=4.0), make_day(expected))

    assert weights[0] == pytest.approx(4.0 / 40, abs=1e-6)
    assert LimitParams(**{"gross": 1.0, **FREE, "name": 0.05, "name_multiple": 4.0}).compute_largest_weight(40) == 0.05
    assert LimitParams(**{"gross": 1.0, **FREE}).compute_largest_weight(40) == 1.0
