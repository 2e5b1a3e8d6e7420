"""Losses as a table: a day's cross-section in, one number per horizon out, averaged over the days that have it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from .differentiable import TINY, average_days, centre, cosine, deviation_with_gradient, soft_rank
from .metrics import MIN_STOCKS, ranks
from .params import Params

PAIRS = 8  # others that each stock is compared with in `rank_net`

Weight = Annotated[float, Field(ge=0)]


class LossWeights(Params):
    """How much each term counts; one field per loss, so that no other can be named."""

    mse: Weight = 0.0
    huber: Weight = 0.0
    ic: Weight = 0.0
    rank_ic: Weight = 0.0
    sharpe: Weight = 0.0
    list_net: Weight = 0.0
    rank_net: Weight = 0.0
    quantile: Weight = 0.0
    turnover: Weight = 0.0
    exposure: Weight = 0.0
    variance_floor: Weight = 0.0

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: object) -> object:
        """Accept ``"mse:0.6,rankic:0.2,cs_ic:0.1,sharpe:0.1"``; ``--params`` splits at commas, so spaces do too."""
        if not isinstance(value, str):
            return value
        parts = re.sub(r"\s*:\s*", ":", value).replace(",", " ").split()
        return {ALIASES.get(name, name): weight for name, _, weight in (part.partition(":") for part in parts)}

    @model_validator(mode="after")
    def _weighs_something(self) -> "LossWeights":
        if not self.active():
            raise ValueError("no loss has a positive weight")
        return self

    def active(self) -> dict[str, float]:
        """Map the losses that count to their weights."""
        return {name: weight for name, weight in self.model_dump().items() if weight > 0}


ALIASES = {"rankic": "rank_ic", "cs_ic": "ic"}


@dataclass(frozen=True)
class LossInputs:
    """What the losses look at; the stock's axis comes last."""

    point: Tensor  # (day, horizon, stock)
    quantiles: Tensor  # (day, horizon, stock, quantile)
    label: Tensor  # (day, horizon, stock), transformed inside its day
    returns: Tensor  # (day, horizon, stock), as they are
    valid: Tensor  # bool (day, horizon, stock): has a label that counts
    present: Tensor  # bool (day, stock): is forecast, whether its label is known or not
    exposures: Tensor  # (day, exposure, stock)
    levels: Tensor  # (quantile,)
    floor: float  # of the deviation of a day's forecasts

    def days(self, values: Tensor) -> Tensor:
        """Average (day, horizon) over the days with enough stocks (horizon,)."""
        return average_days(values, self.valid.sum(-1) >= MIN_STOCKS)

    def count_days(self) -> Tensor:
        """Count the days with enough stocks (horizon,)."""
        return (self.valid.sum(-1) >= MIN_STOCKS).sum(0)

    def stocks(self, values: Tensor) -> Tensor:
        """Average (day, horizon, stock) over the valid stocks (day, horizon)."""
        return values.where(self.valid, 0).sum(-1) / self.valid.sum(-1).clamp(min=1)


def mse(q: LossInputs) -> Tensor:
    """Squared error."""
    return q.days(q.stocks((q.point - q.label).square()))


def huber(q: LossInputs) -> Tensor:
    """Squared error near zero, absolute error beyond one deviation."""
    return q.days(q.stocks(functional.huber_loss(q.point, q.label.where(q.valid, 0), reduction="none")))


def ic(q: LossInputs) -> Tensor:
    """One minus Pearson's correlation."""
    return 1 - q.days(cosine(centre(q.point, q.valid), centre(q.label, q.valid)))


def rank_ic(q: LossInputs) -> Tensor:
    """One minus the correlation of the forecasts' soft ranks with the labels' ranks."""
    soft = soft_rank(q.point, q.valid)
    hard = ranks(q.label, q.valid)
    return 1 - q.days(cosine(centre(soft, q.valid), centre(hard, q.valid)))


def sharpe(q: LossInputs) -> Tensor:
    """Minus mean over deviation of what a dollar-neutral portfolio earns on the block's days.

    A position whose return is unknown earns nothing. Where memory cuts a block into pieces, this is the average over
    the pieces of each piece's own ratio.
    """
    earned = (portfolio(q) * q.returns.where(q.valid, 0)).sum(-1)  # (day, horizon)
    there = q.valid.sum(-1) >= MIN_STOCKS
    count = there.sum(0)
    mean = earned.where(there, 0).sum(0) / count.clamp(min=1)
    spread = ((earned - mean).where(there, 0).square().sum(0) / (count - 1).clamp(min=1) + TINY**2).sqrt()
    return torch.where(count >= 2, -mean / spread, 0)


def list_net(q: LossInputs) -> Tensor:
    """Cross-entropy of who comes first, by the labels and by the forecasts."""
    wanted = q.label.where(q.valid, -torch.inf).softmax(-1).where(q.valid, 0)
    said = q.point.where(q.valid, -1e9).log_softmax(-1)
    return q.days(-(wanted * said).where(q.valid, 0).sum(-1))


def rank_net(q: LossInputs) -> Tensor:
    """Logistic loss on the order of pairs drawn from the day."""
    stocks = q.point.shape[-1]
    shifts = torch.randint(1, max(stocks, 2), (PAIRS,)).tolist()
    total, count = torch.zeros_like(q.point[..., 0]), torch.zeros_like(q.point[..., 0])
    for shift in shifts:
        both = q.valid & q.valid.roll(shift, -1)
        order = (q.label - q.label.roll(shift, -1)).where(both, 0).sign()
        loss = functional.softplus(-order * (q.point - q.point.roll(shift, -1)))
        counted = both & (order != 0)
        total, count = total + loss.where(counted, 0).sum(-1), count + counted.sum(-1)
    return q.days(total / count.clamp(min=1))


def quantile(q: LossInputs) -> Tensor:
    """Pinball loss of the whole vector of quantiles."""
    error = q.label.where(q.valid, 0).unsqueeze(-1) - q.quantiles
    return q.days(q.stocks(torch.maximum(q.levels * error, (q.levels - 1) * error).mean(-1)))


def turnover(q: LossInputs) -> Tensor:
    """Mean absolute change of the portfolio's weights from day to day, half of it: what is traded.

    A stock that is no longer forecast is sold, a new one is bought, as in the evaluation's portfolios. Where memory
    cuts a block into pieces, only consecutive days of the same piece are compared.
    """
    there = q.present.sum(-1, keepdim=True) >= MIN_STOCKS  # (day, 1)
    traded = portfolio(q).diff(dim=0).abs().sum(-1) / 2  # (day, horizon)
    return average_days(traded, there[1:] & there[:-1])


def exposure(q: LossInputs) -> Tensor:
    """Squared correlation of the forecasts with each exposure, over the stocks that have it.

    Averaged over all exposures and days with enough such stocks.
    """
    known = q.present.unsqueeze(1) & q.exposures.isfinite()  # (day, exposure, stock)
    enough = (known.sum(-1) >= MIN_STOCKS).unsqueeze(1)
    mask = known.unsqueeze(1).expand(-1, q.point.shape[1], -1, -1)  # (day, horizon, exposure, stock)
    forecast, other = centre(q.point.unsqueeze(2), mask), centre(q.exposures.unsqueeze(1), mask)
    squared = cosine(forecast, other).square().where(enough, 0)
    return squared.sum((0, 2)) / enough.sum().clamp(min=1)


def variance_floor(q: LossInputs) -> Tensor:
    """Squared shortfall of the deviation of a day's forecasts."""
    mask = q.present.unsqueeze(1).expand_as(q.point)
    shortfall = functional.relu(q.floor - deviation_with_gradient(q.point, mask)).square()
    return average_days(shortfall, q.present.sum(-1, keepdim=True) >= MIN_STOCKS)


LOSSES: dict[str, Callable[[LossInputs], Tensor]] = {
    "mse": mse,
    "huber": huber,
    "ic": ic,
    "rank_ic": rank_ic,
    "sharpe": sharpe,
    "list_net": list_net,
    "rank_net": rank_net,
    "quantile": quantile,
    "turnover": turnover,
    "exposure": exposure,
    "variance_floor": variance_floor,
}
assert set(LOSSES) == set(LossWeights.model_fields)


ACROSS_DAYS = ("sharpe", "turnover")  # compare days of a block: cutting it for memory changes their values


def portfolio(q: LossInputs) -> Tensor:
    """Weight all stocks that are forecast by tanh of the standardised forecast (day, horizon, stock).

    Weights are dollar-neutral with gross 1. They do not depend on which labels are known.
    """
    mask = q.present.unsqueeze(1).expand_as(q.point)
    centred = centre(q.point, mask)
    spread = (centred.square().sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1) + TINY).sqrt()
    weight = centre(torch.tanh(centred / spread), mask)
    return weight / (weight.abs().sum(-1, keepdim=True) + TINY)


def combine(q: LossInputs, weights: LossWeights, horizons: Tensor) -> dict[str, Tensor]:
    """Weigh the terms and the horizons (horizon,); ``loss`` is their sum, the others are unweighted."""
    share = horizons / horizons.sum()
    terms = {name: (LOSSES[name](q) * share).sum() for name in weights.active()}
    total = torch.stack([weight * terms[name] for name, weight in weights.active().items()]).sum()
    return {"loss": total, **terms}


def weigh_terms(q: LossInputs, weights: LossWeights) -> Tensor:
    """Add up the weighed terms for each horizon (horizon,)."""
    return torch.stack([weight * LOSSES[name](q) for name, weight in weights.active().items()]).sum(0)
