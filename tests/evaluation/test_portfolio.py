"""Portfolios against values worked out by hand."""

import math

import numpy as np
import pytest
import torch

from atft_kedro import losses, metrics
from atft_kedro.evaluation.portfolio import (
    DailyTrades,
    StaggeredPortfolio,
    score_portfolio,
    weight_by_signal,
    weight_top,
)
from atft_kedro.metrics import deciles, long_short_weights

NAN = float("nan")


def rank(forecast: torch.Tensor) -> torch.Tensor:
    return metrics.ranks(forecast, forecast.isfinite())


def weigh(forecast: torch.Tensor, how: str) -> torch.Tensor:
    return long_short_weights(rank(forecast)) if how == "decile" else weight_by_signal(forecast)


def trade(
    books: torch.Tensor, returns: torch.Tensor, value: torch.Tensor | None = None, hold: int = 1, at_once: int = 7
) -> DailyTrades:
    """Trade some days at a time, as they come."""
    portfolio = StaggeredPortfolio(hold)
    for start in range(0, len(books), at_once):
        days = slice(start, start + at_once)
        portfolio.add_days(books[days], returns[days], None if value is None else value[days])
    return portfolio.collect_trades()


def test_the_best_decile_is_bought_and_the_worst_sold() -> None:
    weights = weigh(torch.arange(20.0, dtype=torch.float64).unsqueeze(0), "decile")[0]

    assert weights[:2].tolist() == [-0.25, -0.25]
    assert weights[-2:].tolist() == [0.25, 0.25]
    assert (weights[2:-2] == 0).all()


def test_the_net_sharpe_of_an_epoch_is_that_of_a_portfolio() -> None:
    random = torch.Generator().manual_seed(3)
    forecast, returns = torch.randn(2, 60, 40, generator=random, dtype=torch.float64)
    returns = (0.01 * (returns + 0.3 * forecast)).where(forecast < 2, NAN)
    known = trade(long_short_weights(rank(forecast)), returns)

    daily = metrics.net_sharpe(forecast, returns, horizon=1, cost=1e-3)
    dear = metrics.net_sharpe(forecast, returns, horizon=1, cost=5e-3)
    same = forecast[:1].expand(60, -1)
    kept, bought = (metrics.net_sharpe(same, returns, horizon=1, cost=cost) for cost in (1e-3, 0.0))

    assert float(daily) == pytest.approx(score_portfolio(known, cost_bp=10, holding_days=1).net_sharpe)
    assert dear < daily
    assert metrics.net_sharpe(-forecast, returns, horizon=1, cost=1e-3) < 0
    assert bought - kept < 0.2 * (daily - dear)  # a book that never changes pays once
    assert metrics.net_sharpe(same, returns, horizon=5, cost=0.0) == pytest.approx(float(bought) / 5**0.5)
    assert metrics.net_sharpe(torch.ones(60, 40), returns, horizon=1, cost=1e-3).isnan()


def test_signal_weights_are_those_of_the_sharpe_loss() -> None:
    forecast = torch.tensor([[1.0, 2.0, 4.0, NAN]], dtype=torch.float64)
    weights = weigh(forecast, "signal")[0]

    z = (forecast[0, :3] - forecast[0, :3].mean()) / forecast[0, :3].std(correction=0)
    raw = torch.tanh(z) - torch.tanh(z).mean()
    assert torch.allclose(weights[:3], raw / raw.abs().sum())
    assert weights[3] == 0


@pytest.mark.parametrize("how", ["decile", "signal"])
def test_weights_sum_to_zero_and_absolute_weights_to_one(how: str) -> None:
    forecast = torch.randn(30, 37, dtype=torch.float64)
    forecast[torch.rand(forecast.shape) < 0.3] = NAN

    weights = weigh(forecast, how)  # type: ignore[arg-type]

    assert weights.sum(-1).abs().max() < 1e-12
    assert (weights.abs().sum(-1) - 1).abs().max() < 1e-12
    assert (weights[forecast.isnan()] == 0).all()


def test_days_without_a_difference_have_no_weights() -> None:
    constant, few = torch.full((1, 30), 0.1, dtype=torch.float64), torch.randn(1, 9, dtype=torch.float64)

    assert (weigh(constant, "decile") == 0).all()
    assert (weigh(constant, "signal") == 0).all()
    assert (weigh(few, "decile") == 0).all()
    assert (deciles(rank(few)) == -1).all()


def test_equal_forecasts_share_a_decile() -> None:
    forecast = torch.tensor([[0.0] * 5 + list(range(1, 16))], dtype=torch.float64)
    group = deciles(rank(forecast))[0]

    assert group[:5].tolist() == [1] * 5  # ranks 1 to 5 of 20, on average 3
    assert group[-2:].tolist() == [9, 9]


def test_the_best_stocks_have_equal_weights() -> None:
    held = weight_top(rank(torch.tensor([[1.0, 3.0, 2.0, NAN]], dtype=torch.float64)), 2)[0]

    assert held.tolist() == [0, 0.5, 0.5, 0]


def test_equal_forecasts_hold_nothing() -> None:
    assert (weight_top(rank(torch.full((1, 30), 0.1)), 20) == 0).all()
    assert (weight_top(rank(torch.tensor([[2.0, 2.0, 1.0]])), 1) == 0).all()  # they share places one and two


@pytest.mark.parametrize("at_once", [1, 2, 9])
def test_books_are_held_for_the_horizon(at_once: int) -> None:
    books, returns = torch.randn(9, 4, dtype=torch.float64), torch.randn(9, 4, dtype=torch.float64)
    trades = trade(books, returns, hold=3, at_once=at_once)

    before = torch.zeros(4)
    for day in range(9):
        held = torch.stack([books[day - back] for back in range(3) if day >= back]).sum(0) / 3
        assert trades.gross[day] == pytest.approx(float(held @ returns[day]))
        assert trades.turnover[day] == pytest.approx(float((held - before).abs().sum()))
        before = held


def test_costs_are_paid_for_every_trade() -> None:
    weights = torch.tensor([[0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]], dtype=torch.float64)
    returns = torch.tensor([[0.02, 0.0], [0.01, -0.01], [0.02, NAN]], dtype=torch.float64)

    trades = trade(weights, returns)

    assert trades.gross.tolist() == pytest.approx([0.01, 0.01, -0.01])
    assert trades.turnover.tolist() == [1.0, 0.0, 2.0]
    assert trades.net(cost_bp=10).tolist() == pytest.approx([0.009, 0.01, -0.012])


def test_stocks_without_a_return_earn_zero_and_are_counted() -> None:
    weights = torch.tensor([[0.5, -0.5], [0.5, -0.5]], dtype=torch.float64)
    returns = torch.tensor([[0.02, NAN], [0.02, 0.01]], dtype=torch.float64)

    book = score_portfolio(trade(weights, returns), cost_bp=0, holding_days=1)

    assert book.unknown_returns == 0.25
    assert book.gross_mean == pytest.approx((0.01 + 0.005) / 2)


def test_costs_lower_the_returns_and_zero_costs_do_not() -> None:
    returns = 0.01 * torch.randn(300, 40, dtype=torch.float64)
    weights = weigh(returns + 0.02 * torch.randn(300, 40), "decile")

    free, dear = (score_portfolio(trade(weights, returns), cost, holding_days=1) for cost in (0, 1000))

    assert free.net_sharpe == free.gross_sharpe == dear.gross_sharpe
    assert free.gross_sharpe is not None
    assert free.gross_sharpe > 0
    assert dear.net_sharpe is not None
    assert dear.net_sharpe < -50
    assert dear.turnover == free.turnover


def test_a_reversed_forecast_has_the_opposite_return() -> None:
    returns = 0.01 * torch.randn(100, 40, dtype=torch.float64)
    for how in ("decile", "signal"):
        books = [weigh(sign * returns, how) for sign in (1, -1)]
        good, bad = (score_portfolio(trade(book, returns), cost_bp=0, holding_days=1) for book in books)
        assert good.gross_sharpe == pytest.approx(-bad.gross_sharpe)  # type: ignore[operator]
        assert good.gross_sharpe is not None
        assert good.gross_sharpe > 10
        assert good.drawdown == 0


def test_the_traded_value_is_that_of_the_median_stock_held() -> None:
    weights = torch.tensor([[0.5, -0.25, -0.25, 0.0], [0.5, -0.25, -0.25, 0.0]], dtype=torch.float64)
    value = torch.tensor([[10.0, 30.0, 20.0, 99.0], [NAN, 40.0, NAN, 99.0]], dtype=torch.float64)
    book = score_portfolio(trade(weights, weights, value), cost_bp=0, holding_days=1)

    assert book.median_traded_value == 30.0
    assert score_portfolio(trade(weights, weights), cost_bp=0, holding_days=1).median_traded_value is None
    assert np.isclose(book.gross_mean or 0, 0.375)


@pytest.mark.parametrize("stocks", [10, 15, 25, 37, 95])
def test_a_reversed_forecast_has_the_reversed_book_and_only_the_ends_are_held(stocks: int) -> None:
    forecast = torch.randn(1, stocks, dtype=torch.float64)
    weights = weigh(forecast, "decile")

    assert torch.equal(weigh(-forecast, "decile"), -weights)
    assert 2 <= (weights != 0).sum() <= 2 * math.ceil(stocks / 10)
    group = deciles(rank(forecast))[0]
    mirrored = deciles(rank(-forecast))[0] == 9 - group
    assert mirrored.sum() >= stocks - stocks % 2  # the stock in the middle of an odd number is in the upper half
    assert sorted(set(group.tolist())) == list(range(10))


def test_signal_weights_equal_those_of_the_loss() -> None:
    forecast = torch.randn(4, 21, dtype=torch.float64)

    point = forecast.unsqueeze(1)
    question = losses.LossInputs(
        point=point,
        quantiles=point.unsqueeze(-1),
        label=point,
        returns=point,
        valid=point.isfinite(),
        is_forecast=forecast.isfinite(),
        exposures=point,
        quantile_levels=torch.tensor([0.5]),
        min_deviation=0.0,
    )

    assert torch.allclose(weigh(forecast, "signal"), losses.portfolio(question)[:, 0], atol=1e-9)
