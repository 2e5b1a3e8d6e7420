"""Heads: from what is known of a stock on a day to forecasts of every horizon, quantiles in order."""

from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

from .gated import GatedResidual
from .params import NetworkParams


class Heads(nn.Module):
    """A shared trunk, then for each horizon a linear path plus a gated residual.

    The median is the point forecast; the other quantiles lie below and above it by sums of positive steps, so they
    cannot cross. Dropout is independent for every stock and day.

    Shapes: ``(day, stock, hidden) -> (day, stock, horizon, quantile)``
    """

    def __init__(self, params: NetworkParams, horizons: int) -> None:
        super().__init__()
        size, quantiles = params.hidden_size, len(params.quantiles)
        self.horizons, self.middle = horizons, params.quantiles.index(0.5)
        self.norm = nn.LayerNorm(size, bias=False) if params.head_norm else nn.Identity()
        self.trunk = GatedResidual(size, nn.Dropout(params.head_dropout), params.layer_scale)
        self.straight = nn.Linear(size, horizons * quantiles)
        self.detour = nn.Linear(size, horizons * quantiles)
        self.gate = nn.Linear(size, horizons)
        self._start(params.output_init)

    def _start(self, deviation: float) -> None:
        """Begin with small forecasts and narrow quantiles."""
        for layer in (self.straight, self.detour):
            nn.init.normal_(layer.weight, std=deviation * layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Forecast."""
        x = self.trunk(self.norm(x))
        gate = self.gate(x).sigmoid().unsqueeze(-1)  # (day, stock, horizon, 1)
        straight = self.straight(x).unflatten(-1, (self.horizons, -1))
        detour = self.detour(functional.elu(x)).unflatten(-1, (self.horizons, -1))
        return in_order((straight + gate * detour).float(), self.middle)


def in_order(raw: Tensor, middle: int) -> Tensor:
    """Make rising quantiles of any numbers (..., quantile): the middle one stays, the others become steps from it.

    Steps are added one by one, for ``cumsum`` is not deterministic on a GPU.
    """
    step = functional.softplus(raw)
    point = raw[..., middle]
    below = list(accumulate(step[..., :middle].flip(-1).unbind(-1)))[::-1]
    above = accumulate(step[..., middle + 1 :].unbind(-1))
    return torch.stack([*(point - each for each in below), point, *(point + each for each in above)], -1)


def median_forecast(forecast: Tensor, middle: int) -> Tensor:
    """Take the point forecast (..., horizon) of quantiles (..., horizon, quantile): their median."""
    return forecast[..., middle]
