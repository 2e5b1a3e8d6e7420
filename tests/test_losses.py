"""Every loss against its definition in NumPy/SciPy, and its gradient against finite differences."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from atft_kedro import chunks, losses
from atft_kedro.losses import (
    LOSSES,
    portfolio,
    soft_rank,
)
from factories.loss_references import REFERENCES, daily, make_loss_inputs, turnover_of


@pytest.mark.parametrize("name", REFERENCES)
def test_a_loss_equals_its_definition(name: str) -> None:
    q = make_loss_inputs()

    found = LOSSES[name](q)

    expected = [REFERENCES[name](daily(q, horizon), q, horizon) for horizon in range(2)]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.5, 0.9])
def test_an_exposure_that_some_stocks_lack_is_correlated_over_the_others(missing: float) -> None:
    q = make_loss_inputs(horizons=1, stocks=60)
    known = torch.rand(6, 1, 60, generator=torch.Generator().manual_seed(1)) >= missing
    own = replace(q, exposures=q.point.where(known, torch.nan))

    assert LOSSES["exposure"](own).item() == pytest.approx(1)


@pytest.mark.parametrize("name", ["turnover", "exposure", "variance_floor"])
def test_losses_of_forecasts_alone_do_not_depend_on_labels(name: str) -> None:
    q = make_loss_inputs()
    unknown = replace(q, valid=torch.zeros_like(q.valid), returns=torch.full_like(q.returns, torch.nan))

    assert LOSSES[name](unknown).tolist() == LOSSES[name](q).tolist()
    assert (LOSSES[name](q) > 0).all()


def test_constant_forecasts_trade_nothing_but_the_stocks_that_enter_and_leave() -> None:
    q = make_loss_inputs(horizons=1)
    same = replace(q, point=q.point[:1].expand_as(q.point), is_forecast=torch.ones_like(q.is_forecast))
    is_forecast = same.is_forecast.clone()
    is_forecast[3:, 0] = False

    assert LOSSES["turnover"](same).item() == 0
    leaving = replace(same, is_forecast=is_forecast)
    assert LOSSES["turnover"](leaving).item() == pytest.approx(turnover_of(leaving, 0), rel=1e-5)
    assert LOSSES["turnover"](leaving).item() > 0


def test_rank_ic_of_spread_forecasts_is_near_one_minus_spearman() -> None:
    q = make_loss_inputs()
    spread = replace(q, point=torch.from_numpy(stats.rankdata(q.point.numpy(), axis=-1)))

    found = LOSSES["rank_ic"](spread)

    for horizon in range(2):
        expected = 1 - np.mean([stats.spearmanr(f, y)[0] for f, y, *_ in daily(spread, horizon)])
        assert found[horizon].item() == pytest.approx(expected, abs=0.02)


def test_soft_ranks_keep_the_order_and_spread_over_the_day() -> None:
    x = torch.randn(2, 40, dtype=torch.float64)
    soft = soft_rank(x, torch.ones(2, 40, dtype=torch.bool))

    assert torch.equal(soft.argsort(-1), x.argsort(-1))
    assert soft.min() < 0.1
    assert soft.max() > 0.9


def test_a_few_days_at_a_time_have_the_same_soft_ranks_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    valid = torch.rand(5, 2, 40) < 0.8

    def compute() -> list[torch.Tensor]:
        torch.manual_seed(1)
        x = torch.randn(5, 2, 40, requires_grad=True)
        soft = soft_rank(x, valid)
        return [soft, *torch.autograd.grad((soft * torch.rand_like(soft)).sum(), [x])]

    whole = compute()
    monkeypatch.setattr(chunks, "CHUNK_VALUES", 2 * 80 * losses.KNOTS)  # two days

    for one, other in zip(whole, compute(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_rank_net_prefers_the_right_order() -> None:
    q = make_loss_inputs()
    torch.manual_seed(0)
    right = LOSSES["rank_net"](replace(q, point=3 * q.label))
    torch.manual_seed(0)
    wrong = LOSSES["rank_net"](replace(q, point=-3 * q.label))
    torch.manual_seed(0)
    none = LOSSES["rank_net"](replace(q, point=0 * q.label))

    assert (right < none).all()
    assert (none < wrong).all()
    assert none.tolist() == pytest.approx([np.log(2)] * 2)


@pytest.mark.parametrize("name", LOSSES)
def test_a_gradient_equals_finite_differences(name: str) -> None:
    q = make_loss_inputs(days=4, horizons=1, stocks=8, seed=3)
    if name == "huber":
        q = replace(q, label=q.label * 2)

    def loss(quantiles: Tensor) -> Tensor:
        torch.manual_seed(1)
        return LOSSES[name](replace(q, point=quantiles[..., 1], quantiles=quantiles)).sum()

    if name == "rank_ic":  # its width follows the forecasts without a gradient
        x = q.quantiles.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(x), x)
        assert gradient.isfinite().all()
        assert loss(q.quantiles - 0.05 * gradient / gradient.norm()) < loss(q.quantiles)
    else:
        assert torch.autograd.gradcheck(loss, q.quantiles.clone().requires_grad_(), eps=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", ["ic", "rank_ic", "sharpe", "mse", "list_net", "rank_net"])
def test_a_perfect_forecast_beats_a_reversed_one(name: str) -> None:
    q = make_loss_inputs()

    torch.manual_seed(0)
    perfect = LOSSES[name](replace(q, point=q.label))
    torch.manual_seed(0)
    reversed_ = LOSSES[name](replace(q, point=-q.label))

    assert (perfect < reversed_).all()
    if name == "ic":
        assert perfect.tolist() == pytest.approx([0, 0], abs=1e-6)
        assert reversed_.tolist() == pytest.approx([2, 2], abs=1e-6)
    if name == "sharpe":
        assert (perfect < 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_constant_forecasts_and_days_without_labels_have_finite_losses_and_gradients(name: str) -> None:
    q = make_loss_inputs()
    flat = torch.zeros_like(q.quantiles).requires_grad_()
    unknown = replace(q, point=flat[..., 1], quantiles=flat, valid=torch.zeros_like(q.valid))
    no_stocks = replace(unknown, is_forecast=torch.zeros_like(q.is_forecast))

    for inputs in (replace(q, point=flat[..., 1], quantiles=flat), unknown, no_stocks):
        loss = LOSSES[name](inputs).sum()
        (gradient,) = torch.autograd.grad(loss, flat, allow_unused=True, materialize_grads=True)
        assert loss.isfinite()
        assert gradient.isfinite().all()


def test_a_portfolio_is_neutral_and_of_gross_one() -> None:
    q = make_loss_inputs()

    weight = portfolio(q)

    has_stocks = q.is_forecast.any(-1)
    assert weight[has_stocks].sum(-1).abs().max() < 1e-9
    assert torch.allclose(
        weight[has_stocks].abs().sum(-1), torch.ones(int(has_stocks.sum()), 2, dtype=torch.float64), atol=1e-5
    )
    assert (weight.transpose(1, 2)[~q.is_forecast] == 0).all()
