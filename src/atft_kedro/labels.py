"""Labels: returns standardised inside each day and horizon, or their Gaussian ranks."""

import torch
from torch import Tensor

from .metrics import deviation, ranks

TINY = 1e-8


def transform_labels(returns: Tensor, valid: Tensor, drop_extremes: float, *, gaussian: bool) -> tuple[Tensor, Tensor]:
    """Standardise labels inside each day and horizon, or make them Gaussian ranks; extremes may be dropped.

    Returns the labels and which of them count in the loss.
    """
    place = rank_to_unit(ranks(returns, valid), valid)
    kept = valid & (place >= drop_extremes) & (place <= 1 - drop_extremes)
    if gaussian:
        return to_gaussian(place).where(kept, 0), kept
    mean = returns.where(kept, 0).sum(-1, keepdim=True) / kept.sum(-1, keepdim=True).clamp(min=1)
    return (returns - mean).where(kept, 0) / (deviation(returns, kept).unsqueeze(-1) + TINY), kept


def rank_to_unit(rank: Tensor, valid: Tensor) -> Tensor:
    """Bring each day's ranks into (0, 1)."""
    return (rank - 0.5) / valid.sum(-1, keepdim=True).clamp(min=1)


def to_gaussian(place: Tensor) -> Tensor:
    """Give places in (0, 1) the values that a normal distribution has there."""
    return torch.special.ndtri(place.clamp(1e-6, 1 - 1e-6))
