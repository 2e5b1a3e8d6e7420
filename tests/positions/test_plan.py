"""Test the orders of a day, and the rule of a decile book."""

from typing import Any

import numpy as np
import pytest

from atft_kedro.positions.costs import DayCosts
from atft_kedro.positions.optimizer import LimitParams
from atft_kedro.positions.plan import (
    MarketModels,
    OptimisedPolicy,
    PositionParams,
    limit_trades,
    make_book_policy,
    round_to_lots,
)
from atft_kedro.positions.price_arrays import Floats, PriceArrays
from factories.params import make_params
from factories.price_arrays import draw_arrays

LIMITS = make_params(LimitParams)


def decide(expected: Floats, held: Floats | None = None, arrays: PriceArrays | None = None, **changes: Any) -> Floats:
    """Return the orders on day 50 of a small market without costs."""
    arrays = arrays or draw_arrays(60, len(expected), has_gaps=False)
    params = make_params(PositionParams, **{"costs": {"flat_bp": 0.0}, "limits": {"volume_share": None}, **changes})
    policy = OptimisedPolicy(arrays, np.tile(expected, (60, 1)), MarketModels(arrays, params), params)
    return policy(50, np.zeros(len(expected)) if held is None else held, 1e6).orders


def test_higher_expected_returns_have_higher_weights() -> None:
    expected = np.linspace(-1, 1, 30) * 1e-3

    orders = decide(expected)

    assert np.corrcoef(orders, expected)[0, 1] > 0.8
    assert abs(orders.sum()) <= 0.02 + 1e-6
    assert np.abs(orders).max() <= 0.02 + 1e-6


def test_a_position_is_opened_only_if_it_earns_its_purchase_and_its_sale() -> None:
    free = {"net": None, "beta": None, "sector": None, "volume_share": None}
    per_day = 2 * 10e-4 / 4  # both trades cost 10 bp, and it is held for 4 days

    too_little, enough = (
        decide(np.array([share * per_day]), limits=free, costs={"flat_bp": 10.0}, holding_days=4.0, risk_aversion=1e-3)
        for share in (0.95, 1.05)
    )

    assert too_little == pytest.approx([0.0], abs=1e-5)
    assert enough == pytest.approx([0.05], abs=1e-5)


def test_without_any_forecast_nothing_is_traded() -> None:
    assert not decide(np.full(12, np.nan), held=np.full(12, 0.01)).any()


def test_equal_forecasts_open_no_position() -> None:
    assert np.abs(decide(np.zeros(12))).max() < 1e-4


def test_one_stock_alone_can_be_held() -> None:
    free = {"net": None, "beta": None, "sector": None, "volume_share": None}

    orders = decide(np.array([5e-2]), limits=free)

    assert orders == pytest.approx([0.05], abs=1e-5)


def test_a_stock_without_a_close_is_not_traded() -> None:
    arrays = draw_arrays(60, 12, has_gaps=False)
    arrays.close[50, 4] = np.nan

    orders = decide(np.linspace(-1, 1, 12) * 1e-3, held=np.full(12, 0.001), arrays=arrays)

    assert orders[4] == 0
    assert np.abs(orders[:4]).min() > 1e-4


def test_trades_are_limited_by_traded_value_and_not_without_any_volume() -> None:
    close, zeros = np.array([1.0, np.nan, 1.0, 1.0]), np.zeros(4)
    costs = DayCosts(zeros, zeros, np.array([1e6, 1e6, 0.0, 1e12]), 0.0, 0.0)

    known = limit_trades(close, costs, 1e7, LIMITS)
    unknown = limit_trades(close, DayCosts(zeros, zeros, zeros, 0.0, 0.0), 1e7, LIMITS)

    np.testing.assert_allclose(known, [0.005, 0, 0, 2])
    np.testing.assert_allclose(unknown, [2, 0, 2, 2])


def test_orders_are_whole_lots() -> None:
    orders = np.array([0.0314, -0.0049, 0.02])

    rounded = round_to_lots(orders, np.array([1e-4, 1e-4, np.nan]), 100)

    np.testing.assert_allclose(rounded, [0.03, 0.0, 0.0], atol=1e-15)
    assert round_to_lots(orders, np.full(3, 1e-4), 0) is orders


def test_a_book_is_the_mean_of_the_last_portfolios_and_is_closed_after_them() -> None:
    rng = np.random.default_rng(1)
    forecasts = np.full((12, 40), np.nan)
    forecasts[2:6] = rng.normal(size=(4, 40))
    policy, held, history = make_book_policy(forecasts, 3), np.zeros(40), []

    for day in range(12):
        held = held + policy(day, held, 1.0).orders
        history.append(held)

    longs = [np.argsort(forecasts[day])[-4:] for day in (2, 3, 4)]
    expected = np.zeros(40)
    for day, long in zip((2, 3, 4), longs, strict=True):
        expected[long] += 0.5 / 4 / 3
        expected[np.argsort(forecasts[day])[:4]] -= 0.5 / 4 / 3
    np.testing.assert_allclose(history[4], expected, atol=1e-12)
    assert np.abs(history[2]).sum() == pytest.approx(1 / 3)
    assert not history[8].any()


def test_a_book_does_not_trade_against_drift() -> None:
    forecasts = np.tile(np.arange(40.0), (12, 1))
    policy = make_book_policy(forecasts, 1)
    held = policy(0, np.zeros(40), 1.0).orders

    orders = policy(1, held * 1.1, 1.0).orders

    np.testing.assert_allclose(orders[held != 0], 0, atol=1e-15)


def test_a_purchase_that_was_not_filled_is_not_sold() -> None:
    forecasts = np.tile(np.arange(40.0), (12, 1))
    forecasts[4:] = np.roll(forecasts[4:], 20, axis=1)
    policy = make_book_policy(forecasts, 3)

    orders = policy(4, np.zeros(40), 1.0).orders  # nothing is held: no order was filled before

    assert (orders[36:] == 0).all()  # a third of these long positions would be sold
    assert (orders[:4] == 0).all()
