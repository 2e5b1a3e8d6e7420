"""Exponentially weighted correlation of many stocks, as one matrix product."""

import torch
from torch import Tensor

FLAT = 1e-7  # a smaller deviation of returns counts as 0: it is rounding error


def make_decay_weights(window: int, half_life: float) -> Tensor:
    """Return the weights of a window's days (day,); the newest has weight 1."""
    age = torch.arange(window - 1, -1, -1, dtype=torch.float64)
    return torch.exp2(-age / half_life).float()


def standardise(returns: Tensor, weights: Tensor, clip: float) -> Tensor:
    """Standardise each stock's window (day, stock) to weighted mean 0 and length 1.

    The product of two columns is the correlation of their stocks. Unknown returns count as the mean: the fewer common
    days two stocks have, the nearer their correlation is to 0. Returns are clipped at ``clip`` standard deviations,
    which limits the effect of a wrong price. The column of a stock with equal returns is all zeros.
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
    """Mark the stocks (stock,) whose returns are all equal, for example of a constant price."""
    known = returns.isfinite()
    low = returns.where(known, torch.inf).amin(0)
    high = returns.where(known, -torch.inf).amax(0)
    return high - low <= FLAT


def correlate(rows: Tensor, columns: Tensor) -> Tensor:
    """Correlate standardised stocks (day, n) with others (day, m): (n, m)."""
    return (rows.t() @ columns).clamp(-1, 1)
