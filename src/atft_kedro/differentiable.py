"""Statistics of a day's valid stocks that losses can be differentiated through."""

import torch
from torch import Tensor

KNOTS = 64  # quantiles of the day that a soft rank compares with
TINY = 1e-8


def average_days(values: Tensor, enough: Tensor) -> Tensor:
    """Average (day, horizon) over the days with enough stocks (horizon,); 0 where there is none."""
    return values.where(enough, 0).sum(0) / enough.sum(0).clamp(min=1)


def soft_rank(x: Tensor, valid: Tensor) -> Tensor:
    """Say which share of the day lies below (…, stock), smoothly: an average of sigmoids at the day's quantiles."""
    count = valid.sum(-1, keepdim=True)
    ordered = x.where(valid, torch.inf).sort(-1).values
    share = (torch.arange(KNOTS, device=x.device) + 0.5) / KNOTS
    place = (share * count).long().clamp(max=x.shape[-1] - 1)
    knots = ordered.gather(-1, torch.minimum(place, (count - 1).clamp(min=0))).where(count > 0, 0)
    width = deviation_with_gradient(x, valid).detach().unsqueeze(-1) * 0.1 + TINY
    return ((x.where(valid, 0).unsqueeze(-1) - knots.unsqueeze(-2)) / width.unsqueeze(-1)).sigmoid().mean(-1)


def centre(x: Tensor, valid: Tensor) -> Tensor:
    """Subtract the mean of the valid values; return 0 elsewhere."""
    kept = x.where(valid, 0)
    return (kept - kept.sum(-1, keepdim=True) / valid.sum(-1, keepdim=True).clamp(min=1)).where(valid, 0)


def deviation_with_gradient(x: Tensor, valid: Tensor) -> Tensor:
    """Measure the standard deviation, with a gradient that is finite at zero."""
    return (centre(x, valid).square().sum(-1) / valid.sum(-1).clamp(min=1) + TINY**2).sqrt()


def cosine(x: Tensor, y: Tensor) -> Tensor:
    """Divide the product of two centred vectors by their lengths: Pearson's correlation; 0 of a constant."""
    length = (x.square().sum(-1) * y.square().sum(-1) + TINY**2).sqrt()
    return (x * y).sum(-1) / length
