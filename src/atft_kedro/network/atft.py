"""The ATFT-GAT-FAN network: a block of days in, forecasts out."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..panel.blocks import Block
from .fan import FrequencyNorm
from .gat import GraphFusion
from .heads import Heads, median_forecast
from .params import MODULES, ModuleName, NetworkParams
from .temporal import TemporalFusion
from .tokens import MarketTokens
from .variable_selection import Selection


class Atft(nn.Module):
    """Select features, take the strongest frequencies out, fuse the past, hear the neighbours, forecast.

    Everything before the graph is computed once per (stock, step) and shared by all days of the block. Each layer
    takes its window off the front, so exactly the block's days remain, and each saw exactly ``lookback`` steps.
    """

    def __init__(self, params: NetworkParams, features: int, horizons: tuple[int, ...], attributes: int) -> None:
        super().__init__()
        hidden = params.hidden_size
        self.params, self.horizons = params, horizons
        self.selection = Selection(features, hidden, params.selection_size, market_gate=params.market_gate)
        self.fan = FrequencyNorm(params.fan_channels, params.fan_window, params.fan_k, horizons)
        rates = (params.dropout, params.layer_scale)
        self.temporal = TemporalFusion(hidden, params.kernel, params.windows, params.heads, rates)
        self.trend_projection = TrendProjection(params.fan_channels * len(horizons), hidden)
        self.gat = GraphFusion(hidden, params.graph_heads, attributes, params.graph_dropout, params.graph_signed_heads)
        self.tokens = MarketTokens(hidden, params.market_tokens, params.heads) if params.market_tokens else None
        self.heads = Heads(params, len(horizons))

    def forward(self, block: Block, modules: frozenset[ModuleName] = frozenset(MODULES)) -> Tensor:
        """Forecast every quantile (day, stock, horizon, quantile) with the modules that are switched on."""
        x = self.selection(block) * block.is_present.unsqueeze(-1)  # (stock, step, hidden)
        present = block.is_present[:, self.params.fan_window - 1 :]
        if "fan" in modules:
            x, ahead = self.fan(x)  # and the main part's future (stock, channel, step, horizon)
            x = x * present.unsqueeze(-1)
        else:
            x, ahead = x[:, self.params.fan_window - 1 :], None
        x = self.temporal(x, present)  # (stock, day, hidden)
        if ahead is not None:
            x = x + self.trend_projection(ahead[:, :, -x.shape[1] :].transpose(1, 2).flatten(2))
        x = by_day(x, block)  # (day, stock, hidden)
        if "gat" in modules:
            x = self.gat(x, block.neighbours, block.edges)
        if self.tokens is not None and "tokens" in modules:
            x = self.tokens(x, block.is_forecast)
        return self.heads(x)

    def point(self, forecast: Tensor) -> Tensor:
        """Take the point forecast (day, stock, horizon)."""
        return median_forecast(forecast, self.heads.middle)


class TrendProjection(nn.Module):
    """Bring the continued main part to the heads, through an output that starts at zero.

    Shapes: ``(..., channel x horizon) -> (..., hidden)``
    """

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Linear(size, hidden)
        self.out = nn.Linear(hidden, hidden)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, ahead: Tensor) -> Tensor:
        """Read the future of the waves."""
        return self.out(functional.elu(self.inner(ahead)))


def by_day(x: Tensor, block: Block) -> Tensor:
    """Bring each stock's last steps (stock, step, hidden) to the days they lie on (day, stock, hidden).

    By ``embedding``, whose gradient is the same number every time; that of indexing is not with several threads.
    """
    step = (block.slot - (block.rows.shape[1] - x.shape[1])).clamp(min=0)  # (day, stock)
    first = x.shape[1] * torch.arange(len(x), device=x.device)
    return functional.embedding(first + step, x.flatten(0, 1))


Forecast = Callable[[Block, frozenset[ModuleName]], Tensor]
_logger = logging.getLogger(__name__)


def compile_network(network: Atft) -> Forecast:
    """Compile at the first block; where no compiler is present, say so in one line and go on as before."""
    from torch._dynamo.exc import TorchDynamoException  # takes seconds to import, and only here is it needed

    chosen: Forecast = torch.compile(network, dynamic=False)

    def forecast(block: Block, modules: frozenset[ModuleName]) -> Tensor:
        nonlocal chosen
        try:
            return chosen(block, modules)
        except TorchDynamoException as error:
            if chosen is network:
                raise
            _logger.warning("not compiled, and slower for it: %s", str(error).strip().splitlines()[0])
            chosen = network
            return network(block, modules)

    return forecast
