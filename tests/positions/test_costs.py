"""The costs of trades are exact, scale with the capital, and are never zero for a stock without volume."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from atft_kedro.positions.costs import BP, COST_KINDS, CostParams, DayCosts, assign_buckets, make_day_costs

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


def make_cost_params(**changes: Any) -> CostParams:
    return CostParams.model_validate(VALUES | changes)


def make_costs(**changes: Any) -> DayCosts:
    """Make the costs of random histories, in which the daily value of stocks 3 and 4 is unknown."""
    rng = np.random.default_rng(1)
    close = 20 * np.exp(0.02 * rng.standard_normal((80, STOCKS)).cumsum(0))
    value = np.exp(15 + 2 * rng.standard_normal(STOCKS)) * rng.uniform(0.5, 1.5, (80, STOCKS))
    value[:, 3], value[:, 4] = 0, np.nan
    high, low = close * 1.01, close * 0.99
    return make_day_costs(high, low, close, value, rng.uniform(0.01, 0.04, STOCKS), make_cost_params(**changes))


def draw_trades(seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 0.02 * rng.standard_normal(STOCKS), np.maximum(0.02 * rng.standard_normal(STOCKS), 0)


def test_the_charge_equals_a_loop_over_the_stocks() -> None:
    costs, (trades, shorts) = make_costs(), draw_trades()
    unknown = [3, 4]
    smallest = min(value for value in costs.daily_value if value > 0)
    expected = dict.fromkeys(COST_KINDS, 0.0)
    for stock, trade in enumerate(trades):
        value = costs.daily_value[stock]
        impact = costs.impact.max() if stock in unknown else costs.impact[stock]
        size = abs(trade) * EQUITY / (smallest if stock in unknown else value)
        expected["spread"] += costs.half_spread[stock] * abs(trade)
        expected["impact"] += impact * size**0.5 * abs(trade)
        expected["commission"] += 0.5e-4 * abs(trade)
        expected["borrow"] += 50e-4 / 252 * shorts[stock]

    charged = costs.charge(trades, shorts, EQUITY)

    assert charged == pytest.approx(expected, rel=1e-13, abs=1e-15)
    assert min(charged.values()) > 0


def test_flat_costs_are_a_share_of_the_turnover_and_nothing_else() -> None:
    costs, (trades, shorts) = make_costs(flat_bp=10), draw_trades()

    charged = costs.charge(trades, shorts, EQUITY)

    assert charged == pytest.approx(
        {"spread": 0, "impact": 0, "commission": 10e-4 * abs(trades).sum(), "borrow": 0}, abs=1e-17
    )


def test_impact_in_currency_grows_with_the_capital_to_the_power_of_one_and_a_half() -> None:
    costs, (trades, shorts) = make_costs(), draw_trades()

    small, large = (equity * costs.charge(trades, shorts, equity)["impact"] for equity in (1e6, 1e8))

    assert large / small == pytest.approx(100**1.5)


def test_a_purchase_costs_as_much_as_a_sale() -> None:
    costs, (trades, shorts) = make_costs(), draw_trades()

    assert costs.charge(-trades, shorts, EQUITY) == costs.charge(trades, shorts, EQUITY)


@pytest.mark.parametrize("stock", [3, 4])
def test_a_stock_without_volume_costs_at_least_as_much_as_any_other(stock: int) -> None:
    costs = make_costs()
    trades = 0.01 * np.eye(STOCKS)

    charges = [sum(costs.charge(trade, 0 * trade, EQUITY).values()) for trade in trades]

    assert np.isfinite(charges).all()
    assert charges[stock] == max(charges)


def test_the_quadratic_fit_is_that_of_least_squares() -> None:
    costs = make_costs()
    scale = np.linspace(0.001, 0.03, STOCKS)
    share = np.linspace(0, 1, 2001)

    linear, quadratic = costs.quadratic(EQUITY, scale)

    for stock in range(STOCKS):
        size = share * scale[stock]
        impact = [costs.charge(np.eye(STOCKS)[stock] * x, np.zeros(STOCKS), EQUITY)["impact"] for x in size[::100]]
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


@pytest.mark.parametrize("name", ["flat_bp", "min_half_spread_bp", "impact", "borrow_bp", "commission_bp"])
def test_a_negative_cost_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        make_cost_params(**{name: -1})


@pytest.mark.parametrize("change", [{"half_spread_bp": ()}, {"half_spread_bp": (1, -1)}, {"volume_days": 0}])
def test_impossible_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_cost_params(**change)
