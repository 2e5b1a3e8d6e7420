"""Loss functions of a block's forecasts; a block is some consecutive days with all stocks."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .chunks import count_days_at_once
from .metrics import MIN_STOCKS, ranks

SHIFTS = 8  # random shifts of `rank_net`; each pairs every stock with the stock that many positions away
KNOTS = 64  # quantiles of a day's forecasts used by `soft_rank`
SOFTNESS = 0.1  # width of the sigmoids of `soft_rank`, in standard deviations of the day's forecasts
TINY = 1e-8  # avoids a division by zero; inside a square root its square, except in `portfolio`
ACROSS_DAYS = ("sharpe", "turnover")  # losses that compare days of a block: splitting the block changes them


@dataclass(frozen=True)
class LossInputs:
    """Inputs of the losses of a block; a loss reduces them to one value per horizon."""

    point: Tensor  # (day, horizon, stock)
    quantiles: Tensor  # (day, horizon, stock, quantile)
    label: Tensor  # (day, horizon, stock); 0 where not valid
    returns: Tensor  # (day, horizon, stock), raw returns
    valid: Tensor  # bool (day, horizon, stock): the label is known and was not dropped as an extreme
    is_forecast: Tensor  # bool (day, stock): the stock is forecast; its label may be unknown
    exposures: Tensor  # (day, exposure, stock); NaN where unknown
    quantile_levels: Tensor  # (quantile,)
    min_deviation: float  # minimum standard deviation of one day's forecasts, for the loss variance_floor

    def mean_days(self, values: Tensor) -> Tensor:
        """Average (day, horizon) over the days with enough valid stocks (horizon,)."""
        return average_days(values, self.valid.sum(-1) >= MIN_STOCKS)

    def count_days(self) -> Tensor:
        """Count the days with enough valid stocks (horizon,)."""
        return (self.valid.sum(-1) >= MIN_STOCKS).sum(0)

    def mean_stocks(self, values: Tensor) -> Tensor:
        """Average (day, horizon, stock) over the valid stocks (day, horizon)."""
        return values.where(self.valid, 0).sum(-1) / self.valid.sum(-1).clamp(min=1)


def mse(inputs: LossInputs) -> Tensor:
    """Compute the mean squared error."""
    return inputs.mean_days(inputs.mean_stocks((inputs.point - inputs.label).square()))


def huber(inputs: LossInputs) -> Tensor:
    """Compute the Huber loss: half the squared error up to 1, linear beyond."""
    return inputs.mean_days(
        inputs.mean_stocks(functional.huber_loss(inputs.point, inputs.label.where(inputs.valid, 0), reduction="none"))
    )


def ic(inputs: LossInputs) -> Tensor:
    """Compute one minus Pearson's correlation of forecasts and labels, per day."""
    return 1 - inputs.mean_days(cosine(centre(inputs.point, inputs.valid), centre(inputs.label, inputs.valid)))


def rank_ic(inputs: LossInputs) -> Tensor:
    """Compute one minus the daily correlation of forecasts' soft ranks and labels' ranks."""
    forecast_rank = soft_rank(inputs.point, inputs.valid)
    label_rank = ranks(inputs.label, inputs.valid)
    return 1 - inputs.mean_days(cosine(centre(forecast_rank, inputs.valid), centre(label_rank, inputs.valid)))


def sharpe(inputs: LossInputs) -> Tensor:
    """Compute minus the Sharpe ratio of a dollar-neutral portfolio over the block's days.

    A position with an unknown return or a dropped extreme label earns zero. Where memory splits a block into pieces,
    the loss is the average over the pieces of each piece's ratio.
    """
    earned = (portfolio(inputs) * inputs.returns.where(inputs.valid, 0)).sum(-1)  # (day, horizon)
    has_enough_stocks = inputs.valid.sum(-1) >= MIN_STOCKS
    count = has_enough_stocks.sum(0)
    mean = earned.where(has_enough_stocks, 0).sum(0) / count.clamp(min=1)
    std = ((earned - mean).where(has_enough_stocks, 0).square().sum(0) / (count - 1).clamp(min=1) + TINY**2).sqrt()
    return torch.where(count >= 2, -mean / std, 0)


def list_net(inputs: LossInputs) -> Tensor:
    """Compute the cross-entropy of the top-one probabilities of labels and forecasts (ListNet)."""
    label_probability = inputs.label.where(inputs.valid, -torch.inf).softmax(-1).where(inputs.valid, 0)
    log_forecast = inputs.point.where(inputs.valid, -1e9).log_softmax(-1)
    return inputs.mean_days(-(label_probability * log_forecast).where(inputs.valid, 0).sum(-1))


def rank_net(inputs: LossInputs) -> Tensor:
    """Compute the logistic loss on the order of pairs of stocks of a day (RankNet).

    Each random shift, the same for all days, pairs every stock with another one. A shift can be drawn twice.
    """
    stocks = inputs.point.shape[-1]
    shifts = torch.randint(1, max(stocks, 2), (SHIFTS,)).tolist()
    total, count = torch.zeros_like(inputs.point[..., 0]), torch.zeros_like(inputs.point[..., 0])
    for shift in shifts:
        both = inputs.valid & inputs.valid.roll(shift, -1)
        order = (inputs.label - inputs.label.roll(shift, -1)).where(both, 0).sign()
        loss = functional.softplus(-order * (inputs.point - inputs.point.roll(shift, -1)))
        counted = both & (order != 0)
        total, count = total + loss.where(counted, 0).sum(-1), count + counted.sum(-1)
    return inputs.mean_days(total / count.clamp(min=1))


def quantile(inputs: LossInputs) -> Tensor:
    """Compute the pinball loss, averaged over all quantiles."""
    error = inputs.label.where(inputs.valid, 0).unsqueeze(-1) - inputs.quantiles
    pinball = torch.maximum(inputs.quantile_levels * error, (inputs.quantile_levels - 1) * error)
    return inputs.mean_days(inputs.mean_stocks(pinball.mean(-1)))


def turnover(inputs: LossInputs) -> Tensor:
    """Compute the mean daily turnover: half the sum of the absolute changes of weights.

    As in the evaluation, a stock without a forecast has weight 0. Where memory splits a block into pieces, only
    consecutive days of the same piece are compared.
    """
    has_enough_stocks = inputs.is_forecast.sum(-1, keepdim=True) >= MIN_STOCKS  # (day, 1)
    traded = portfolio(inputs).diff(dim=0).abs().sum(-1) / 2  # (day, horizon)
    return average_days(traded, has_enough_stocks[1:] & has_enough_stocks[:-1])


def exposure(inputs: LossInputs) -> Tensor:
    """Compute the mean squared correlation of the forecasts with the exposures.

    The mean is over all pairs of an exposure and a day with enough forecast stocks of known exposure.
    """
    known = inputs.is_forecast.unsqueeze(1) & inputs.exposures.isfinite()  # (day, exposure, stock)
    has_enough_stocks = (known.sum(-1) >= MIN_STOCKS).unsqueeze(1)
    mask = known.unsqueeze(1).expand(-1, inputs.point.shape[1], -1, -1)  # (day, horizon, exposure, stock)
    forecasts, exposures = centre(inputs.point.unsqueeze(2), mask), centre(inputs.exposures.unsqueeze(1), mask)
    squared = cosine(forecasts, exposures).square().where(has_enough_stocks, 0)
    return squared.sum((0, 2)) / has_enough_stocks.sum().clamp(min=1)


def variance_floor(inputs: LossInputs) -> Tensor:
    """Compute the squared shortfall of the day's standard deviation below the minimum."""
    mask = inputs.is_forecast.unsqueeze(1).expand_as(inputs.point)
    shortfall = functional.relu(inputs.min_deviation - safe_std(inputs.point, mask)).square()
    return average_days(shortfall, inputs.is_forecast.sum(-1, keepdim=True) >= MIN_STOCKS)


FUNCTIONS = (mse, huber, ic, rank_ic, sharpe, list_net, rank_net, quantile, turnover, exposure, variance_floor)
LossFunction = Callable[[LossInputs], Tensor]
LOSSES: dict[str, LossFunction] = {function.__name__: function for function in FUNCTIONS}


def portfolio(inputs: LossInputs) -> Tensor:
    """Compute dollar-neutral weights with gross 1.

    They are the tanh of the standardised forecasts, centred again and divided by the sum of their absolute values.
    """
    mask = inputs.is_forecast.unsqueeze(1).expand_as(inputs.point)
    centred = centre(inputs.point, mask)
    std = (centred.square().sum(-1, keepdim=True) / mask.sum(-1, keepdim=True).clamp(min=1) + TINY).sqrt()
    position = centre(torch.tanh(centred / std), mask)
    return position / (position.abs().sum(-1, keepdim=True) + TINY)


def average_days(values: Tensor, has_enough_stocks: Tensor) -> Tensor:
    """Average (day, horizon) over the days with enough stocks (horizon,); 0 where no day has."""
    return values.where(has_enough_stocks, 0).sum(0) / has_enough_stocks.sum(0).clamp(min=1)


def soft_rank(x: Tensor, valid: Tensor) -> Tensor:
    """Compute a soft rank in (0, 1): the mean of sigmoid((x - k) / width) over the quantiles k."""
    count = valid.sum(-1, keepdim=True)
    ordered = x.where(valid, torch.inf).sort(-1).values
    share = (torch.arange(KNOTS, device=x.device) + 0.5) / KNOTS
    index = (share * count).long().clamp(max=x.shape[-1] - 1)
    knots = ordered.gather(-1, torch.minimum(index, (count - 1).clamp(min=0))).where(count > 0, 0)
    width = safe_std(x, valid).detach().unsqueeze(-1) * SOFTNESS + TINY
    scaled, scaled_knots = (x.where(valid, 0) / width).unsqueeze(-1), (knots / width).unsqueeze(-2)
    days = count_days_at_once(len(x), x.shape[1:].numel() * KNOTS, x.device)
    parts = zip(scaled.split(days), scaled_knots.split(days), strict=True)
    return torch.cat([(one - other).sigmoid().mean(-1) for one, other in parts])


def centre(x: Tensor, valid: Tensor) -> Tensor:
    """Subtract the mean of the valid values; set the others to 0."""
    kept = x.where(valid, 0)
    return (kept - kept.sum(-1, keepdim=True) / valid.sum(-1, keepdim=True).clamp(min=1)).where(valid, 0)


def safe_std(x: Tensor, valid: Tensor) -> Tensor:
    """Compute the standard deviation, with a gradient that is finite at zero."""
    return (centre(x, valid).square().sum(-1) / valid.sum(-1).clamp(min=1) + TINY**2).sqrt()


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """Compute the cosine of centred vectors: Pearson's correlation, 0 for a constant."""
    norm = (x.square().sum(-1) * y.square().sum(-1) + TINY**2).sqrt()
    return (x * y).sum(-1) / norm
