"""Output heads: quantiles of every horizon, in rising order."""

from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import GatedResidual
from .params import NetworkParams


class Heads(nn.Module):
    """A shared trunk, then for each horizon a linear path plus a gated nonlinear path.

    The median is the point forecast; the other quantiles are sums of positive steps from it, so they cannot cross.
    Dropout is independent for every stock and day.

    Shapes: ``(day, stock, hidden) -> (day, stock, horizon, quantile)``
    """

    def __init__(self, params: NetworkParams, n_horizons: int) -> None:
        super().__init__()
        size, n_quantiles = params.hidden_size, len(params.quantiles)
        self.n_horizons, self.median_index = n_horizons, params.quantiles.index(0.5)
        self.norm = nn.LayerNorm(size, bias=False) if params.head_norm else nn.Identity()
        self.trunk = GatedResidual(size, nn.Dropout(params.head_dropout), params.layer_scale)
        self.linear = nn.Linear(size, n_horizons * n_quantiles)
        self.nonlinear = nn.Linear(size, n_horizons * n_quantiles)
        self.gate = nn.Linear(size, n_horizons)
        for layer in (self.linear, self.nonlinear):  # small forecasts and narrow quantiles at first
            nn.init.normal_(layer.weight, std=params.output_init * layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Forecast the quantiles."""
        x = self.trunk(self.norm(x))
        gate = self.gate(x).sigmoid().unsqueeze(-1)  # (day, stock, horizon, 1)
        linear = self.linear(x).unflatten(-1, (self.n_horizons, -1))
        nonlinear = self.nonlinear(functional.elu(x)).unflatten(-1, (self.n_horizons, -1))
        return order_quantiles((linear + gate * nonlinear).float(), self.median_index)


def order_quantiles(raw: Tensor, median_index: int) -> Tensor:
    """Convert any numbers (..., quantile) to rising quantiles.

    The median stays, the others become sums of positive steps from it. Steps are added one by one, because ``cumsum``
    is not deterministic on a GPU.
    """
    step = functional.softplus(raw)
    median = raw[..., median_index]
    below = list(accumulate(step[..., :median_index].flip(-1).unbind(-1)))[::-1]
    above = accumulate(step[..., median_index + 1 :].unbind(-1))
    return torch.stack([*(median - offset for offset in below), median, *(median + offset for offset in above)], -1)
