"""Every loss against a plain NumPy/SciPy reading of its definition, and its gradient against differences."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats
from torch import Tensor

from atft_kedro.labels import transform_labels
from atft_kedro.losses import (
    LOSSES,
    LossInputs,
    LossWeights,
    combine_losses,
    portfolio,
    soft_rank,
)

LEVELS = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)


def question(days: int = 6, horizons: int = 2, stocks: int = 30, seed: int = 0) -> LossInputs:
    """Random forecasts and labels with gaps, ties, one day without labels and one without stocks."""
    random = torch.Generator().manual_seed(seed)
    returns = torch.randn(days, horizons, stocks, generator=random, dtype=torch.float64) * 0.02
    returns[:, :, :4] = 0.01  # ties
    present = torch.rand(days, stocks, generator=random) > 0.1
    present[-1] = False
    valid = (torch.rand(days, horizons, stocks, generator=random) > 0.2) & present.unsqueeze(1)
    valid[3] = False
    quantiles = torch.randn(days, horizons, stocks, 3, generator=random, dtype=torch.float64).sort(-1).values
    label, kept = transform_labels(returns.where(valid, torch.nan), valid, 0.0, gaussian=False)
    return LossInputs(
        point=quantiles[..., 1],
        quantiles=quantiles,
        label=label,
        returns=returns.where(valid, torch.nan),
        valid=kept,
        present=present,
        exposures=torch.randn(days, 2, stocks, generator=random, dtype=torch.float64),
        levels=LEVELS,
        floor=1.5,
    )


def daily(q: LossInputs, horizon: int) -> list[tuple[np.ndarray, ...]]:
    """Each day's valid forecasts, labels, returns and quantiles."""
    days = []
    for day in range(len(q.point)):
        v = q.valid[day, horizon].numpy()
        if v.sum() >= 3:
            arrays = (q.point, q.label, q.returns, q.quantiles)
            days.append(tuple(a[day, horizon].numpy()[v] for a in arrays))
    return days


def weights_of(forecast: np.ndarray) -> np.ndarray:
    z = (forecast - forecast.mean()) / forecast.std()
    w = np.tanh(z) - np.tanh(z).mean()
    return w / np.abs(w).sum()


def books_of(q: LossInputs, horizon: int) -> list[np.ndarray | None]:
    """Each day's weights of all stocks, from all that are forecast, whether their labels are known or not."""
    books: list[np.ndarray | None] = []
    for day, mask in enumerate(q.present.numpy()):
        w = np.zeros(len(mask))
        if mask.sum() >= 3:
            w[mask] = weights_of(q.point[day, horizon].numpy()[mask])
        books.append(w if mask.sum() >= 3 else None)
    return books


def huber_of(error: np.ndarray) -> np.ndarray:
    return np.where(np.abs(error) < 1, 0.5 * error**2, np.abs(error) - 0.5)


def sharpe_of(q: LossInputs, horizon: int) -> float:
    valid, returns = q.valid[:, horizon].numpy(), q.returns[:, horizon].numpy()
    books = zip(books_of(q, horizon), valid, returns, strict=True)
    earned = np.array([book[v] @ r[v] for book, v, r in books if book is not None and v.sum() >= 3])
    return -earned.mean() / earned.std(ddof=1)


def turnover_of(q: LossInputs, horizon: int) -> float:
    pairs = pairwise(books_of(q, horizon))
    return float(np.mean([np.abs(b - a).sum() / 2 for a, b in pairs if a is not None and b is not None]))


def exposure_of(q: LossInputs, horizon: int) -> float:
    found = []
    for day, mask in enumerate(q.present.numpy()):
        for exposure in q.exposures[day].numpy():
            m = mask & np.isfinite(exposure)
            if m.sum() >= 3:
                found.append(stats.pearsonr(q.point[day, horizon].numpy()[m], exposure[m])[0] ** 2)
    return float(np.mean(found))


def variance_floor_of(q: LossInputs, horizon: int) -> float:
    days = zip(q.point[:, horizon].numpy(), q.present.numpy(), strict=True)
    return float(np.mean([max(1.5 - f[mask].std(), 0) ** 2 for f, mask in days if mask.sum() >= 3]))


REFERENCES = {
    "mse": lambda days, q, h: np.mean([np.mean((f - y) ** 2) for f, y, *_ in days]),
    "huber": lambda days, q, h: np.mean([np.mean(huber_of(f - y)) for f, y, *_ in days]),
    "ic": lambda days, q, h: 1 - np.mean([stats.pearsonr(f, y)[0] for f, y, *_ in days]),
    "sharpe": lambda days, q, h: sharpe_of(q, h),
    "list_net": lambda days, q, h: np.mean(
        [-(np.exp(y) / np.exp(y).sum()) @ np.log(np.exp(f) / np.exp(f).sum()) for f, y, *_ in days]
    ),
    "quantile": lambda days, q, h: np.mean(
        [
            np.mean(np.maximum(LEVELS.numpy() * (y[:, None] - k), (LEVELS.numpy() - 1) * (y[:, None] - k)))
            for _, y, _, k in days
        ]
    ),
    "turnover": lambda days, q, h: turnover_of(q, h),
    "exposure": lambda days, q, h: exposure_of(q, h),
    "variance_floor": lambda days, q, h: variance_floor_of(q, h),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_loss_is_what_its_definition_says(name: str) -> None:
    q = question()

    found = LOSSES[name](q)

    expected = [REFERENCES[name](daily(q, horizon), q, horizon) for horizon in range(2)]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.5, 0.9])
def test_an_exposure_that_some_stocks_lack_is_correlated_over_the_others(missing: float) -> None:
    q = question(horizons=1, stocks=60)
    known = torch.rand(6, 1, 60, generator=torch.Generator().manual_seed(1)) >= missing
    own = replace(q, exposures=q.point.where(known, torch.nan))

    assert LOSSES["exposure"](own).item() == pytest.approx(1)


@pytest.mark.parametrize("name", ["turnover", "exposure", "variance_floor"])
def test_what_is_asked_of_forecasts_alone_does_not_depend_on_the_labels(name: str) -> None:
    q = question()
    unknown = replace(q, valid=torch.zeros_like(q.valid), returns=torch.full_like(q.returns, torch.nan))

    assert LOSSES[name](unknown).tolist() == LOSSES[name](q).tolist()
    assert (LOSSES[name](q) > 0).all()


def test_constant_forecasts_trade_nothing_but_the_stocks_that_enter_and_leave() -> None:
    q = question(horizons=1)
    same = replace(q, point=q.point[:1].expand_as(q.point), present=torch.ones_like(q.present))
    gone = same.present.clone()
    gone[3:, 0] = False

    assert LOSSES["turnover"](same).item() == 0
    leaving = replace(same, present=gone)
    assert LOSSES["turnover"](leaving).item() == pytest.approx(turnover_of(leaving, 0), rel=1e-5)
    assert LOSSES["turnover"](leaving).item() > 0


def test_rank_ic_is_near_spearman_and_one_minus_it_for_far_apart_forecasts() -> None:
    q = question()
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


def test_rank_net_prefers_the_right_order() -> None:
    q = question()
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
def test_a_gradient_is_what_differences_say(name: str) -> None:
    q = question(days=4, horizons=1, stocks=8, seed=3)
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
    q = question()

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
    q = question()
    flat = torch.zeros_like(q.quantiles).requires_grad_()
    unknown = replace(q, point=flat[..., 1], quantiles=flat, valid=torch.zeros_like(q.valid))
    nobody = replace(unknown, present=torch.zeros_like(q.present))

    for asked in (replace(q, point=flat[..., 1], quantiles=flat), unknown, nobody):
        loss = LOSSES[name](asked).sum()
        (gradient,) = torch.autograd.grad(loss, flat, allow_unused=True, materialize_grads=True)
        assert loss.isfinite()
        assert gradient.isfinite().all()


def test_a_portfolio_is_neutral_and_of_gross_one() -> None:
    q = question()

    weight = portfolio(q)

    there = q.present.any(-1)
    assert weight[there].sum(-1).abs().max() < 1e-9
    assert torch.allclose(weight[there].abs().sum(-1), torch.ones(int(there.sum()), 2, dtype=torch.float64), atol=1e-5)
    assert (weight.transpose(1, 2)[~q.present] == 0).all()


def test_labels_are_standardised_or_ranked_inside_each_day_and_extremes_count_not() -> None:
    returns = torch.randn(3, 1, 200, dtype=torch.float64)
    valid = torch.ones_like(returns, dtype=torch.bool)

    label, kept = transform_labels(returns, valid, 0.025, gaussian=False)
    ranked, _ = transform_labels(returns, valid, 0.0, gaussian=True)

    assert kept.sum(-1).flatten().tolist() == [190] * 3
    values = label[0, 0][kept[0, 0]]
    assert (values.mean().item(), values.std(correction=0).item()) == pytest.approx((0, 1), abs=1e-6)
    place = (stats.rankdata(returns[0, 0]) - 0.5) / 200
    assert np.allclose(ranked[0, 0], stats.norm.ppf(place), atol=1e-6)


@pytest.mark.parametrize(
    "text", ["mse:0.6,rankic:0.4", "mse:0.6 rankic:0.4", "mse: 0.6, rank_ic: 0.4", " mse :0.6 ,rank_ic:0.4 "]
)
def test_weights_are_written_as_text_with_commas_or_spaces(text: str) -> None:
    assert LossWeights.model_validate(text).active() == {"mse": 0.6, "rank_ic": 0.4}


def test_terms_and_horizons_are_weighed() -> None:
    q = question()
    weights = LossWeights.model_validate("mse:0.6,rankic:0.2,cs_ic:0.1,sharpe:0.1")

    told = combine_losses(q, weights, torch.tensor([3.0, 1.0]))

    assert set(told) == {"loss", "mse", "rank_ic", "ic", "sharpe"}
    mse = LOSSES["mse"](q)
    assert told["mse"].item() == pytest.approx((0.75 * mse[0] + 0.25 * mse[1]).item(), rel=1e-5)
    expected = 0.6 * told["mse"] + 0.2 * told["rank_ic"] + 0.1 * told["ic"] + 0.1 * told["sharpe"]
    assert told["loss"].item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize(
    "wrong", [{}, {"mse": 0}, {"mse": -1}, {"mae": 1}, "mse:0.5,mae:1", "mse:0.5 mae:1", "mse", ""]
)
def test_weights_that_mean_nothing_are_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        LossWeights.model_validate(wrong)
