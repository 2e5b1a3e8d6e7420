"""Labels: returns standardised inside each day and horizon, or their Gaussian ranks."""

import torch
from torch import Tensor

from .metrics import deviation, ranks

TINY = 1e-8


def transform_labels(returns: Tensor, valid: Tensor, drop_extremes: float, *, gaussian: bool) -> tuple[Tensor, Tensor]:
    """Transform returns to z-scores or Gaussian ranks inside each day and horizon.

    Returns the labels (…, stock) and a mask of the labels that the losses use: valid, and not in the share
    ``drop_extremes`` at each end of the day.
    """
    unit = rank_to_unit(ranks(returns, valid), valid)
    kept = valid & (unit >= drop_extremes) & (unit <= 1 - drop_extremes)
    if gaussian:
        return to_gaussian(unit).where(kept, 0), kept
    mean = returns.where(kept, 0).sum(-1, keepdim=True) / kept.sum(-1, keepdim=True).clamp(min=1)
    return (returns - mean).where(kept, 0) / (deviation(returns, kept).unsqueeze(-1) + TINY), kept


def rank_to_unit(rank: Tensor, valid: Tensor) -> Tensor:
    """Scale each day's ranks into (0, 1)."""
    return (rank - 0.5) / valid.sum(-1, keepdim=True).clamp(min=1)


def to_gaussian(unit: Tensor) -> Tensor:
    """Apply the inverse of the normal distribution function to values in (0, 1)."""
    return torch.special.ndtri(unit.clamp(1e-6, 1 - 1e-6))
