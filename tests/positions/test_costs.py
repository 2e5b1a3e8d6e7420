"""The costs of trades are exact, scale with the capital, and are never zero for a stock without volume."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from atft_kedro.params import InputError
from atft_kedro.positions.costs import (
    BP,
    CostParams,
    DayCosts,
    assign_buckets,
    estimate_costs,
)

VALUES: dict[str, Any] = {
    "flat_bp": None,
    "half_spread_bp": (1, 2, 5, 20),
    "min_half_spread_bp": 1,
    "spread_days": 60,
    "impact": 1,
    "volume_days": 20,
    "borrow_bp": 50,
    "commission_bp": 0.5,
}
STOCKS = 40
EQUITY = 3e7
VOLATILITY = np.random.default_rng(3).uniform(0.01, 0.04, STOCKS)


def make_cost_params(**changes: Any) -> CostParams:
    return CostParams.model_validate(VALUES | changes)


def make_costs(**changes: Any) -> DayCosts:
    return make_last_costs(make_history(), VOLATILITY, make_cost_params(**changes))


def make_last_costs(history: Sequence[np.ndarray], volatility: np.ndarray, params: CostParams) -> DayCosts:
    """Make the costs after the last day of a history."""
    return estimate_costs(*history, params).make_day_costs(len(history[0]) - 1, volatility)


def make_history(days: int = 80) -> tuple[np.ndarray, ...]:
    """Make high, low, close and traded value (day, stock); the daily value of stocks 3 and 4 is unknown."""
    rng = np.random.default_rng(1)
    close = 20 * np.exp(0.02 * rng.standard_normal((days, STOCKS)).cumsum(0))
    value = np.exp(15 + 2 * rng.standard_normal(STOCKS)) * rng.uniform(0.5, 1.5, (days, STOCKS))
    value[:, 3], value[:, 4] = 0, np.nan
    up, down = rng.uniform(0, 0.02, (2, days, STOCKS))
    return close * (1 + up), close * (1 - down), close, value


def draw_trades(seed: int = 2) -> np.ndarray:
    return 0.02 * np.random.default_rng(seed).standard_normal(STOCKS)


def sum_charges(costs: DayCosts, trades: np.ndarray, capital: float = EQUITY) -> dict[str, float]:
    return {kind: float(cost.sum()) for kind, cost in costs.charge(trades, capital).items()}


def test_the_charge_equals_a_loop_over_the_stocks() -> None:
    costs, trades = make_costs(), draw_trades()
    unknown = [3, 4]
    smallest = min(value for value in costs.daily_value if value > 0)
    expected = dict.fromkeys(("spread", "impact", "commission"), 0.0)
    for stock, trade in enumerate(trades):
        value = costs.daily_value[stock]
        impact = costs.impact.max() if stock in unknown else costs.impact[stock]
        size = abs(trade) * EQUITY / (smallest if stock in unknown else value)
        expected["spread"] += costs.half_spread[stock] * abs(trade)
        expected["impact"] += impact * size**0.5 * abs(trade)
        expected["commission"] += 0.5e-4 * abs(trade)

    charged = sum_charges(costs, trades, EQUITY)

    assert charged == pytest.approx(expected, rel=1e-13, abs=1e-15)
    assert min(charged.values()) > 0


def test_flat_costs_are_a_share_of_the_turnover_and_nothing_else() -> None:
    costs, trades = make_costs(flat_bp=10), draw_trades()

    charged = sum_charges(costs, trades, EQUITY)

    assert charged == pytest.approx({"spread": 0, "impact": 0, "commission": 10e-4 * abs(trades).sum()}, abs=1e-17)
    assert costs.borrow == 0
    assert make_costs().borrow == pytest.approx(50e-4 / 252)


def test_impact_in_currency_grows_with_the_capital_to_the_power_of_one_and_a_half() -> None:
    costs, trades = make_costs(), draw_trades()

    small, large = (equity * sum_charges(costs, trades, equity)["impact"] for equity in (1e6, 1e8))

    assert large / small == pytest.approx(100**1.5)


def test_a_purchase_costs_as_much_as_a_sale() -> None:
    costs, trades = make_costs(), draw_trades()

    assert sum_charges(costs, -trades, EQUITY) == sum_charges(costs, trades, EQUITY)


@pytest.mark.parametrize("stock", [3, 4])
def test_a_stock_without_volume_costs_at_least_as_much_as_any_other(stock: int) -> None:
    costs = make_costs()
    trades = 0.01 * np.eye(STOCKS)

    charges = [sum(sum_charges(costs, trade).values()) for trade in trades]

    assert np.isfinite(charges).all()
    assert charges[stock] == max(charges)


def test_the_quadratic_fit_is_that_of_least_squares() -> None:
    costs = make_costs()
    scale = np.linspace(0.001, 0.03, STOCKS)
    share = np.linspace(0, 1, 2001)

    linear, quadratic = costs.quadratic(EQUITY, scale)

    for stock in range(STOCKS):
        size = share * scale[stock]
        impact = [sum_charges(costs, np.eye(STOCKS)[stock] * x)["impact"] for x in size[::100]]
        fitted = linear[stock] * size + quadratic[stock] * size**2
        assert np.abs(fitted[::100] - impact).max() < 0.016 * impact[-1]
    best = np.linalg.lstsq(np.stack([share, share**2], 1), share**1.5, rcond=None)[0]
    assert best == pytest.approx([8 / 21, 40 / 63], abs=1e-3)


def test_no_trade_scale_gives_infinite_or_free_trades() -> None:
    linear, quadratic = make_costs().quadratic(EQUITY, np.zeros(STOCKS))

    assert np.isfinite(linear).all() and np.isfinite(quadratic).all()
    assert (linear > 0).all()


def test_buckets_have_equally_many_stocks_and_the_most_liquid_is_first() -> None:
    value = np.array([5.0, 1, 3, 0, np.nan, 4, 2, 6])

    assert assign_buckets(value, 3).tolist() == [0, 2, 1, 2, 2, 1, 2, 0]
    assert assign_buckets(np.zeros(3), 4).tolist() == [3, 3, 3]


def test_half_spreads_of_the_buckets_are_charged() -> None:
    costs = make_costs(half_spread_bp=(1, 30))
    known = costs.daily_value > 0
    median = np.median(costs.daily_value[known])

    assert (costs.half_spread[known] / BP == np.where(costs.daily_value[known] >= median, 1, 30)).all()
    assert (costs.linear() == costs.half_spread + 0.5 * BP).all()


@pytest.mark.parametrize("change", [{"half_spread_bp": None}, {}, {"flat_bp": 10}])
def test_costs_of_a_day_of_a_history_are_those_of_the_days_up_to_it(change: dict[str, Any]) -> None:
    history, params, day = make_history(100), make_cost_params(**change), 85
    past = [values[day + 1 - params.spread_days : day + 1] for values in history]

    found = estimate_costs(*history, params).make_day_costs(day, VOLATILITY)

    for name, expected in vars(make_last_costs(past, VOLATILITY, params)).items():
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-9, err_msg=name)


def test_the_daily_value_is_the_median_of_the_last_days_and_no_trade_counts_as_zero() -> None:
    *prices, value = make_history()
    value[-12:, 5], value[-9:, 6] = np.nan, np.nan

    daily_value = make_last_costs([*prices, value], VOLATILITY, make_cost_params(volume_days=21)).daily_value

    assert daily_value[5] == 0
    assert daily_value[6] == sorted([0.0] * 9 + list(value[-21:-9, 6]))[10]
    assert daily_value[7] == np.median(value[-21:, 7])


def test_an_estimated_half_spread_is_at_least_the_smallest_one() -> None:
    assert make_costs(half_spread_bp=None, min_half_spread_bp=5).half_spread.min() == pytest.approx(5 * BP)
    assert make_costs(half_spread_bp=None, min_half_spread_bp=500).half_spread == pytest.approx(500 * BP)


def test_a_history_that_is_too_short_for_an_estimate_gives_the_smallest_half_spread() -> None:
    days = [values[:10] for values in make_history()]

    costs = make_last_costs(days, VOLATILITY, make_cost_params(half_spread_bp=None))

    assert costs.half_spread == pytest.approx(1 * BP)


def test_impact_without_any_traded_value_is_an_error() -> None:
    *prices, value = make_history()

    with pytest.raises(InputError, match=r"positions\.costs\.impact"):
        make_last_costs([*prices, 0 * value], VOLATILITY, make_cost_params())


def test_the_order_of_the_stocks_is_irrelevant() -> None:
    order, trades = np.random.default_rng(5).permutation(STOCKS), draw_trades()
    params = make_cost_params(half_spread_bp=None)
    shuffled = make_last_costs([values[:, order] for values in make_history()], VOLATILITY[order], params)

    charged = sum_charges(shuffled, trades[order])

    assert charged == pytest.approx(sum_charges(make_costs(half_spread_bp=None), trades), rel=1e-9)


@pytest.mark.parametrize("name", ["flat_bp", "min_half_spread_bp", "impact", "borrow_bp", "commission_bp"])
def test_a_negative_cost_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        make_cost_params(**{name: -1})


@pytest.mark.parametrize("change", [{"half_spread_bp": ()}, {"half_spread_bp": (1, -1)}, {"volume_days": 0}])
def test_impossible_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_cost_params(**change)
