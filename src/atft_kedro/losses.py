"""Losses of a block's forecasts, as a table of functions."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from .metrics import MIN_STOCKS, ranks
from .params import Params

PAIRS = 8  # number of other stocks that `rank_net` compares with each stock
KNOTS = 64  # number of quantiles of the day that a soft rank compares with
TINY = 1e-8
ACROSS_DAYS = ("sharpe", "turnover")  # losses that compare days of a block: splitting the block changes them
ALIASES = {"rankic": "rank_ic", "cs_ic": "ic"}  # other names that texts of weights may use

Weight = Annotated[float, Field(ge=0)]


class LossWeights(Params):
    """Weight of each loss; an unknown loss is an error."""

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
    def _parse_text(cls, value: object) -> object:
        """Accept ``"mse:0.6,rankic:0.2,cs_ic:0.1"``, or spaces for commas, because ``--params`` splits at commas."""
        if not isinstance(value, str):
            return value
        items = re.sub(r"\s*:\s*", ":", value).replace(",", " ").split()
        return {ALIASES.get(name, name): weight for name, _, weight in (item.partition(":") for item in items)}

    @model_validator(mode="after")
    def _require_a_loss(self) -> "LossWeights":
        if not self.active():
            raise ValueError("no loss has a positive weight")
        return self

    def active(self) -> dict[str, float]:
        """Map the losses with a positive weight to their weights."""
        return {name: weight for name, weight in self.model_dump().items() if weight > 0}


@dataclass(frozen=True)
class LossInputs:
    """Inputs of the losses of a block; a loss reduces them to one value per horizon."""

    point: Tensor  # (day, horizon, stock)
    quantiles: Tensor  # (day, horizon, stock, quantile)
    label: Tensor  # (day, horizon, stock)
    returns: Tensor  # (day, horizon, stock), not transformed
    valid: Tensor  # bool (day, horizon, stock): the label is known and not an extreme that is dropped
    is_forecast: Tensor  # bool (day, stock): the stock is forecast; its label may be unknown
    exposures: Tensor  # (day, exposure, stock); NaN where unknown
    quantile_levels: Tensor  # (quantile,)
    min_deviation: float  # of the forecasts of a day, for the loss variance_floor

    def mean_days(self, values: Tensor) -> Tensor:
        """Average (day, horizon) over the days with enough valid stocks (horizon,)."""
        return average_days(values, self.valid.sum(-1) >= MIN_STOCKS)

    def count_days(self) -> Tensor:
        """Count the days with enough valid stocks (horizon,)."""
        return (self.valid.sum(-1) >= MIN_STOCKS).sum(0)

    def mean_stocks(self, values: Tensor) -> Tensor:
        """Average (day, horizon, stock) over the valid stocks (day, horizon)."""
        return values.where(self.valid, 0).sum(-1) / self.valid.sum(-1).clamp(min=1)


def mse(q: LossInputs) -> Tensor:
    """Compute the mean squared error."""
    return q.mean_days(q.mean_stocks((q.point - q.label).square()))


def huber(q: LossInputs) -> Tensor:
    """Compute the Huber loss: half the squared error up to 1, linear beyond."""
    return q.mean_days(q.mean_stocks(functional.huber_loss(q.point, q.label.where(q.valid, 0), reduction="none")))


def ic(q: LossInputs) -> Tensor:
    """Compute one minus Pearson's correlation."""
    return 1 - q.mean_days(cosine(centre(q.point, q.valid), centre(q.label, q.valid)))


def rank_ic(q: LossInputs) -> Tensor:
    """Compute one minus the correlation of the forecasts' soft ranks with the labels' ranks."""
    soft = soft_rank(q.point, q.valid)
    hard = ranks(q.label, q.valid)
    return 1 - q.mean_days(cosine(centre(soft, q.valid), centre(hard, q.valid)))


def sharpe(q: LossInputs) -> Tensor:
    """Compute minus the Sharpe ratio of a dollar-neutral portfolio over the block's days.

    A position with an unknown return earns zero. Where memory splits a block into pieces, the loss is the average over
    the pieces of each piece's ratio.
    """
    earned = (portfolio(q) * q.returns.where(q.valid, 0)).sum(-1)  # (day, horizon)
    enough = q.valid.sum(-1) >= MIN_STOCKS
    count = enough.sum(0)
    mean = earned.where(enough, 0).sum(0) / count.clamp(min=1)
    spread = ((earned - mean).where(enough, 0).square().sum(0) / (count - 1).clamp(min=1) + TINY**2).sqrt()
    return torch.where(count >= 2, -mean / spread, 0)


def list_net(q: LossInputs) -> Tensor:
    """Compute the cross-entropy of the top-one probabilities of labels and forecasts (ListNet)."""
    wanted = q.label.where(q.valid, -torch.inf).softmax(-1).where(q.valid, 0)
    log_forecast = q.point.where(q.valid, -1e9).log_softmax(-1)
    return q.mean_days(-(wanted * log_forecast).where(q.valid, 0).sum(-1))


def rank_net(q: LossInputs) -> Tensor:
    """Compute the logistic loss on the order of random pairs of a day (RankNet)."""
    stocks = q.point.shape[-1]
    shifts = torch.randint(1, max(stocks, 2), (PAIRS,)).tolist()
    total, count = torch.zeros_like(q.point[..., 0]), torch.zeros_like(q.point[..., 0])
    for shift in shifts:
        both = q.valid & q.valid.roll(shift, -1)
        order = (q.label - q.label.roll(shift, -1)).where(both, 0).sign()
        loss = functional.softplus(-order * (q.point - q.point.roll(shift, -1)))
        counted = both & (order != 0)
        total, count = total + loss.where(counted, 0).sum(-1), count + counted.sum(-1)
    return q.mean_days(total / count.clamp(min=1))


def quantile(q: LossInputs) -> Tensor:
    """Compute the pinball loss, averaged over all quantiles."""
    error = q.label.where(q.valid, 0).unsqueeze(-1) - q.quantiles
    pinball = torch.maximum(q.quantile_levels * error, (q.quantile_levels - 1) * error)
    return q.mean_days(q.mean_stocks(pinball.mean(-1)))


def turnover(q: LossInputs) -> Tensor:
    """Compute the turnover: half the mean absolute change of the portfolio's daily weights.

    As in the evaluation, a stock without a forecast has weight 0. Where memory splits a block into pieces, only
    consecutive days of the same piece are compared.
    """
    enough = q.is_forecast.sum(-1, keepdim=True) >= MIN_STOCKS  # (day, 1)
    traded = portfolio(q).diff(dim=0).abs().sum(-1) / 2  # (day, horizon)
    return average_days(traded, enough[1:] & enough[:-1])


def exposure(q: LossInputs) -> Tensor:
    """Compute the squared correlation of the forecasts with each exposure.

    Averaged over all exposures and days with enough forecast stocks whose exposure is known.
    """
    known = q.is_forecast.unsqueeze(1) & q.exposures.isfinite()  # (day, exposure, stock)
    enough = (known.sum(-1) >= MIN_STOCKS).unsqueeze(1)
    mask = known.unsqueeze(1).expand(-1, q.point.shape[1], -1, -1)  # (day, horizon, exposure, stock)
    forecasts, exposures = centre(q.point.unsqueeze(2), mask), centre(q.exposures.unsqueeze(1), mask)
    squared = cosine(forecasts, exposures).square().where(enough, 0)
    return squared.sum((0, 2)) / enough.sum().clamp(min=1)


def variance_floor(q: LossInputs) -> Tensor:
    """Compute how far the deviation of a day's forecasts is below the minimum, squared."""
    mask = q.is_forecast.unsqueeze(1).expand_as(q.point)
    shortfall = functional.relu(q.min_deviation - deviation_with_gradient(q.point, mask)).square()
    return average_days(shortfall, q.is_forecast.sum(-1, keepdim=True) >= MIN_STOCKS)


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


def portfolio(q: LossInputs) -> Tensor:
    """Compute dollar-neutral weights with gross 1: tanh of the standardised forecast."""
    mask = q.is_forecast.unsqueeze(1).expand_as(q.point)
    centred = centre(q.point, mask)
    spread = (centred.square().sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1) + TINY).sqrt()
    weight = centre(torch.tanh(centred / spread), mask)
    return weight / (weight.abs().sum(-1, keepdim=True) + TINY)


def combine_losses(q: LossInputs, weights: LossWeights, horizon_weights: Tensor) -> dict[str, Tensor]:
    """Compute ``loss``, the weighted sum of all active losses, and each of them unweighted."""
    share = horizon_weights / horizon_weights.sum()
    terms = {name: (LOSSES[name](q) * share).sum() for name in weights.active()}
    total = torch.stack([weight * terms[name] for name, weight in weights.active().items()]).sum()
    return {"loss": total, **terms}


def sum_losses(q: LossInputs, weights: LossWeights) -> Tensor:
    """Compute the weighted sum of the active losses for each horizon (horizon,)."""
    return torch.stack([weight * LOSSES[name](q) for name, weight in weights.active().items()]).sum(0)


def average_days(values: Tensor, enough: Tensor) -> Tensor:
    """Average (day, horizon) over the days with enough stocks (horizon,); 0 where no day has."""
    return values.where(enough, 0).sum(0) / enough.sum(0).clamp(min=1)


def soft_rank(x: Tensor, valid: Tensor) -> Tensor:
    """Compute a differentiable rank in (0, 1): the mean of sigmoids at the day's quantiles."""
    count = valid.sum(-1, keepdim=True)
    ordered = x.where(valid, torch.inf).sort(-1).values
    share = (torch.arange(KNOTS, device=x.device) + 0.5) / KNOTS
    index = (share * count).long().clamp(max=x.shape[-1] - 1)
    knots = ordered.gather(-1, torch.minimum(index, (count - 1).clamp(min=0))).where(count > 0, 0)
    width = deviation_with_gradient(x, valid).detach().unsqueeze(-1) * 0.1 + TINY
    return ((x.where(valid, 0).unsqueeze(-1) - knots.unsqueeze(-2)) / width.unsqueeze(-1)).sigmoid().mean(-1)


def centre(x: Tensor, valid: Tensor) -> Tensor:
    """Subtract the mean of the valid values; 0 elsewhere."""
    kept = x.where(valid, 0)
    return (kept - kept.sum(-1, keepdim=True) / valid.sum(-1, keepdim=True).clamp(min=1)).where(valid, 0)


def deviation_with_gradient(x: Tensor, valid: Tensor) -> Tensor:
    """Compute the standard deviation, with a gradient that is finite at zero."""
    return (centre(x, valid).square().sum(-1) / valid.sum(-1).clamp(min=1) + TINY**2).sqrt()


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """Compute the cosine of centred vectors: Pearson's correlation, 0 for a constant."""
    norm = (x.square().sum(-1) * y.square().sum(-1) + TINY**2).sqrt()
    return (x * y).sum(-1) / norm
