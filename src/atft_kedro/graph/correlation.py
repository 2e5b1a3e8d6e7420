"""Exponentially weighted correlation of many stocks at once, as one matrix product."""

import numpy as np
import torch
from torch import Tensor

FLAT = 1e-7  # a deviation that is rounding


def decay(window: int, half_life: float) -> Tensor:
    """Weigh the days of a window, the newest with one."""
    age = torch.arange(window - 1, -1, -1, dtype=torch.float64)
    return torch.exp2(-age / half_life).float()


def standardise(returns: Tensor, weights: Tensor, clip: float) -> Tensor:
    """Bring each stock's window (day, stock) to weighted mean 0 and length 1; what is unknown counts as the mean.

    The product of two stocks' columns is then their correlation. Days that only one of them traded count as no
    common movement, so little shared history means a correlation nearer to zero. A return further than ``clip``
    deviations from the mean counts as that far: one wrong price is one unusual day. A flat stock is all zeros.
    """
    known = returns.isfinite()
    total = (weights.unsqueeze(1) * known).sum(0)  # (stock,)
    relative = (returns - (weights @ returns.where(known, 0)) / total).where(known, 0)
    spread = ((weights @ relative.square()) / total).sqrt()
    bounded = relative.clamp(-clip * spread, clip * spread)
    centred = (bounded - (weights @ bounded) / total).where(known, 0) * weights.sqrt().unsqueeze(1)
    length = centred.square().sum(0).sqrt()
    return centred * torch.where(length > FLAT * total.sqrt(), 1 / length, 0)


def is_flat(returns: Tensor) -> Tensor:
    """Say which stocks (stock,) had one return all along, a price that stood still above all."""
    known = returns.isfinite()
    low = returns.where(known, torch.inf).amin(0)
    high = returns.where(known, -torch.inf).amax(0)
    return high - low <= FLAT


def correlate(one: Tensor, other: Tensor) -> Tensor:
    """Correlate standardised stocks (day, n) with (day, m)."""
    return (one.t() @ other).clamp(-1, 1)


def enough_history(returns: np.ndarray, minimum: int) -> np.ndarray:
    """Say which stocks have ``minimum`` returns in the window."""
    enough: np.ndarray = np.isfinite(returns).sum(axis=0) >= minimum
    return enough
