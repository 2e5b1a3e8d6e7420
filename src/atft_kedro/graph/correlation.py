"""Correlations of many stocks with exponentially decaying weights, by one matrix product."""

import torch
from torch import Tensor

FLAT = 1e-7  # a smaller range or standard deviation of returns is rounding error and counts as 0


def make_decay_weights(window: int, half_life: float) -> Tensor:
    """Compute the weights of a window's days (day,), oldest first.

    The newest day has weight 1, the day ``half_life`` days before it has ½.
    """
    age = torch.arange(window - 1, -1, -1, dtype=torch.float64)
    return torch.exp2(-age / half_life).float()


def standardise(returns: Tensor, weights: Tensor, clip: float) -> Tensor:
    """Standardise each stock's window (day, stock) to weighted mean 0 and norm 1.

    Values are multiplied by the roots of their weights, so the dot product of two columns is the weighted correlation
    of their stocks. An unknown return counts as the mean, so two stocks with few common days have a correlation near
    0. Returns are clipped at ``clip`` standard deviations, which limits the effect of a wrong price. The column of a
    stock with equal returns is all zeros.
    """
    known = returns.isfinite()
    weight_sum = (weights.unsqueeze(1) * known).sum(0)  # (stock,)
    deviation = (returns - (weights @ returns.where(known, 0)) / weight_sum).where(known, 0)
    std = ((weights @ deviation.square()) / weight_sum).sqrt()
    clipped = deviation.clamp(-clip * std, clip * std)
    centred = (clipped - (weights @ clipped) / weight_sum).where(known, 0) * weights.sqrt().unsqueeze(1)
    norm = centred.square().sum(0).sqrt()
    return centred * torch.where(norm > FLAT * weight_sum.sqrt(), 1 / norm, 0)


def is_flat(returns: Tensor) -> Tensor:
    """Mark the stocks (stock,) whose returns are all equal or all unknown.

    Returns are equal, for example, if the price does not change.
    """
    known = returns.isfinite()
    low = returns.where(known, torch.inf).amin(0)
    high = returns.where(known, -torch.inf).amax(0)
    return high - low <= FLAT


def correlate(first: Tensor, second: Tensor) -> Tensor:
    """Correlate the stocks of two standardised windows (day, n) and (day, m): (n, m)."""
    return (first.t() @ second).clamp(-1, 1)
