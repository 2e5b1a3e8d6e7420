"""Test the backtest against a plain loop over stocks, and in markets whose results are known."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft_kedro.evaluation.position_score import PositionEntry
from atft_kedro.params import InputError
from atft_kedro.positions.backtest import Backtest, Decision, Policy, attribute_to_factors, run_backtest
from atft_kedro.positions.costs import DayCosts
from atft_kedro.positions.price_arrays import Floats, PriceArrays
from atft_kedro.positions.risk_model import RiskModel
from factories.price_arrays import draw_arrays, make_arrays

ENTRIES: tuple[PositionEntry, ...] = ("close", "next_open", "next_close")
CAPITAL = 1e6


def make_costs(stocks: int) -> DayCosts:
    spread, impact = np.linspace(1e-4, 2e-3, stocks), np.linspace(0.01, 0.03, stocks)
    return DayCosts(spread, impact, np.linspace(1e5, 1e7, stocks), commission=5e-5, borrow=2e-5)


def make_market(stocks: int, costs: DayCosts | None = None) -> Any:
    loadings = np.ones((stocks, 1)) * 0.01
    model = RiskModel(loadings, np.full(stocks, 4e-4), np.ones(stocks)), costs or make_costs(stocks)
    return lambda day: model


def free_costs(stocks: int) -> DayCosts:
    return DayCosts(np.zeros(stocks), np.zeros(stocks), np.ones(stocks), 0.0, 0.0)


def hold(weights: Floats) -> Policy:
    """Buy the weights on the first day and never trade again."""
    done = []

    def decide(day: int, held: Floats, equity: float) -> Decision:
        done.append(day)
        return Decision(weights if len(done) == 1 else np.zeros_like(weights))

    return decide


def follow(targets: Floats) -> Policy:
    return lambda day, held, equity: Decision(targets[day] - held)


def run_slowly(  # noqa: C901 — one plain loop
    arrays: PriceArrays, days: range, entry: str, targets: Floats, costs: DayCosts
) -> list[dict[str, Any]]:
    """Backtest with one stock after the other, and prices looked up in plain lists."""
    opening, close = arrays.open.tolist(), arrays.close.tolist()
    stocks = range(len(arrays.index.codes))
    known = math.isfinite
    cash, shares, last = CAPITAL, [0.0 for _ in stocks], [float("nan") for _ in stocks]
    for day in range(days.start):
        last = [close[day][s] if known(close[day][s]) else last[s] for s in stocks]
    orders, rows = [0.0 for _ in stocks], []

    def charge(s: int, value: float, equity: float) -> float:
        impact = costs.impact[s] * (value / equity * CAPITAL / costs.daily_value[s]) ** 0.5
        return value * (costs.half_spread[s] + impact + costs.commission)

    def pay_out(day: int) -> None:
        nonlocal cash
        for s in stocks:
            if arrays.terminal_day[s] == day and shares[s]:
                cash += shares[s] * last[s] * (1 + arrays.terminal_return[s])
                shares[s] = 0.0

    for number, day in enumerate(days):
        before = cash + sum(shares[s] * last[s] for s in stocks if shares[s])
        paid = traded = 0.0
        if number:
            paid += sum(-shares[s] * last[s] for s in stocks if shares[s] < 0) * costs.borrow
        if number and entry == "next_close":
            pay_out(day)
        prices = opening if entry == "next_open" else close
        marks = [prices[day][s] if known(prices[day][s]) and known(close[day][s]) else last[s] for s in stocks]
        at_fill = cash - paid + sum(shares[s] * marks[s] for s in stocks if shares[s])
        for s in stocks:
            price = {"next_open": opening, "next_close": close}.get(entry, close)[day][s]
            if entry == "close" or not orders[s] or not known(price) or not known(close[day][s]):
                continue
            shares[s] += orders[s]
            cash -= orders[s] * price
            traded += abs(orders[s] * price)
            paid += charge(s, abs(orders[s] * price), at_fill)
        cash -= paid
        if number:
            pay_out(day)
        last = [close[day][s] if known(close[day][s]) else last[s] for s in stocks]
        equity = cash + sum(shares[s] * last[s] for s in stocks if shares[s])
        held = [shares[s] * last[s] / equity if shares[s] else 0.0 for s in stocks]
        orders = [(targets[day][s] - held[s]) * equity / close[day][s] if known(close[day][s]) else 0.0 for s in stocks]
        if entry == "close":
            cost = sum(charge(s, abs(orders[s]) * close[day][s], equity) for s in stocks if orders[s])
            traded += sum(abs(orders[s]) * close[day][s] for s in stocks if orders[s])
            cash -= sum(orders[s] * close[day][s] for s in stocks if orders[s]) + cost
            paid += cost
            shares = [shares[s] + orders[s] for s in stocks]
        end = cash + sum(shares[s] * last[s] for s in stocks if shares[s])
        rows.append({"net": end / before - 1, "turnover": traded / before, "costs": paid / before, "equity": end})
    return rows


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_backtest_equals_a_plain_loop_over_stocks(entry: PositionEntry) -> None:
    arrays, days = draw_arrays(60, 12), range(10, 60)
    rng = np.random.default_rng(3)
    targets = rng.normal(size=(60, 12)) * 0.1
    targets[:, 5] = 0.0

    result = run_backtest(arrays, days, entry, follow(targets), make_market(12), CAPITAL)

    slow = run_slowly(arrays, days, entry, targets, make_costs(12))
    costs = result.daily.select(pl.sum_horizontal("^cost_.*$")).to_series()
    for column, fast in (("net", result.daily["net"]), ("turnover", result.daily["turnover"]), ("costs", costs)):
        np.testing.assert_allclose(fast.to_numpy(), [row[column] for row in slow], atol=1e-12, rtol=1e-12)
    growth = (1 + result.daily["net"]).product()
    assert growth == pytest.approx(slow[-1]["equity"] / CAPITAL, abs=1e-12)
    assert result.daily["delisted"].sum() == 1
    assert result.daily["delisted_by_default"].sum() == 1


@pytest.mark.parametrize("entry", ENTRIES)
def test_without_trades_weights_drift_with_prices(entry: PositionEntry) -> None:
    arrays = draw_arrays(40, 4, has_gaps=False)

    result = run_backtest(arrays, range(5, 40), entry, hold(np.array([0.5, -0.3, 0.2, 0])), make_market(4), CAPITAL)

    last = result.weights.filter(pl.col("date") == arrays.index.days[39]).sort("code")["weight"].to_numpy()
    prices, fill = (arrays.open, 6) if entry == "next_open" else (arrays.close, 5 if entry == "close" else 6)
    values = np.array([0.5, -0.3, 0.2]) * prices[fill, :3] / arrays.close[5, :3]  # shares at the close of the decision
    values *= arrays.close[39, :3] / prices[fill, :3]
    np.testing.assert_allclose(last[0] / last[1], values[0] / values[1], rtol=1e-9)
    np.testing.assert_allclose(last[0] / last[2], values[0] / values[2], rtol=1e-9)
    assert result.daily["turnover"][2:].sum() == 0


def test_a_delisting_of_minus_100_percent_is_lost_and_counted() -> None:
    close = np.full((20, 2), 10.0)
    close[12:, 1] = np.nan
    arrays = make_arrays(close, terminal_return=np.array([0.0, -1.0]))

    long = run_free(arrays, hold(np.array([0.5, 0.25])))
    short = run_free(arrays, hold(np.array([0.5, -0.25])))

    assert long.daily["gross"].to_list() == pytest.approx([0.0] * 7 + [-0.25] + [0.0] * 7)
    assert short.daily["gross"].sum() == pytest.approx(0.25)
    assert long.daily["delisted"].to_list() == [0] * 7 + [1] + [0] * 7
    assert long.daily["gross_exposure"][-1] == pytest.approx(0.5 / 0.75)


def run_free(arrays: PriceArrays, policy: Policy) -> Backtest:
    costs = free_costs(len(arrays.index.codes))
    return run_backtest(arrays, range(5, 20), "close", policy, make_market(len(costs.impact), costs), CAPITAL)


def test_a_suspended_stock_cannot_be_sold_and_earns_its_return_when_it_is_traded_again() -> None:
    close = np.full((20, 2), 10.0)
    close[8:12, 1] = np.nan
    close[12:, 1] = 5.0
    arrays = make_arrays(close)
    targets = np.zeros((20, 2))
    targets[5:8] = 0.5  # sold from day 8 on

    result = run_free(arrays, follow(targets))

    weights = result.weights.filter(pl.col("code") == "S001")
    assert weights["date"].max() == arrays.index.days[12]  # ordered and filled at the first close, with no weight left
    assert result.daily["gross"].to_list() == pytest.approx([0.0] * 7 + [-0.25] + [0.0] * 7)


def test_the_return_of_a_pure_factor_portfolio_is_attributed_to_the_factor() -> None:
    rng = np.random.default_rng(5)
    loadings = rng.normal(size=(300, 2))
    model = RiskModel(loadings, np.ones(300), np.ones(300))
    weights = np.linalg.pinv(loadings).T[:, 0]  # an exposure of 1 to the first factor, 0 to the second
    returns = loadings @ np.array([0.03, -0.5]) + 0.001 * rng.normal(size=300)
    returns[7] = np.nan

    assert attribute_to_factors(weights, returns, model) == pytest.approx(0.03, abs=5e-4)


def test_a_loss_of_all_capital_ends_the_backtest() -> None:
    close = np.full((20, 1), 10.0)
    close[9:] = 1.0

    with pytest.raises(InputError, match="lost all its capital by 2024-01-10: decrease limits.gross"):
        run_free(make_arrays(close), hold(np.array([2.0])))


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_total_loss_without_cash_ends_the_backtest(entry: PositionEntry) -> None:
    close = np.full((20, 1), 10.0)
    close[9:] = np.nan
    arrays = make_arrays(close, terminal_return=np.array([-1.0]))
    costs = free_costs(1)

    with pytest.raises(InputError, match="lost all its capital by 2024-01-10"):
        run_backtest(arrays, range(5, 20), entry, hold(np.array([1.0])), make_market(1, costs), CAPITAL)


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_order_that_is_not_a_number_is_not_left_out_silently(entry: PositionEntry) -> None:
    arrays = draw_arrays(20, 4, has_gaps=False)

    with pytest.raises(AssertionError, match="an order or a cost of 2024-01-0. is not a number"):
        run_backtest(arrays, range(5, 20), entry, hold(np.array([0.1, np.nan, 0, 0])), make_market(4), CAPITAL)
