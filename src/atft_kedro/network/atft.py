"""The ATFT-GAT-FAN network: a block of days in, forecasts out."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..panel.blocks import Block
from .fan import FrequencyNorm
from .gat import GraphFusion, make_graph_layer
from .heads import Heads
from .params import MODULES, ModuleName, NetworkParams
from .temporal import TemporalFusion
from .tokens import MarketTokens
from .variable_selection import VariableSelection

Forward = Callable[[Block, frozenset[ModuleName]], Tensor]

_logger = logging.getLogger(__name__)


class Atft(nn.Module):
    """The ATFT-GAT-FAN network.

    Variable selection, frequency normalization, temporal fusion, graph attention and output heads. Everything before
    the graph is computed once per (stock, step) and shared by all days of the block. Each layer shortens the sequence
    by its window minus one, so only the block's days remain, each computed from ``lookback`` steps.
    """

    def __init__(self, params: NetworkParams, n_features: int, horizons: tuple[int, ...], n_attributes: int) -> None:
        super().__init__()
        hidden = params.hidden_size
        self.params, self.horizons = params, horizons
        self.variable_selection = VariableSelection(
            n_features, hidden, params.selection_size, market_gate=params.market_gate
        )
        self.fan = FrequencyNorm(params.fan_channels, params.fan_window, params.fan_k, horizons)
        self.temporal = TemporalFusion(
            hidden, params.kernel, params.windows, params.heads, params.dropout, params.layer_scale
        )
        self.trend_projection = TrendProjection(params.fan_channels * len(horizons), hidden)
        self.gat = GraphFusion(hidden, make_graph_layer(params, n_attributes))
        self.tokens = MarketTokens(hidden, params.market_tokens, params.heads) if params.market_tokens else None
        self.heads = Heads(params, len(horizons))

    def forward(self, block: Block, modules: frozenset[ModuleName] = frozenset(MODULES)) -> Tensor:
        """Forecast quantiles (day, stock, horizon, quantile); ``modules`` are switched on."""
        x = self.variable_selection(block) * block.is_present.unsqueeze(-1)  # (stock, step, hidden)
        present = block.is_present[:, self.params.fan_window - 1 :]
        if "fan" in modules:
            x, trend = self.fan(x)  # trend: (stock, channel, step, horizon)
            x = x * present.unsqueeze(-1)
        else:
            x, trend = x[:, self.params.fan_window - 1 :], None
        x = self.temporal(x, present)  # (stock, day, hidden)
        if trend is not None:
            x = x + self.trend_projection(trend[:, :, -x.shape[1] :].transpose(1, 2).flatten(2))
        x = select_forecast_days(x, block)  # (day, stock, hidden)
        if "gat" in modules:
            x = self.gat(x, block.neighbours, block.edges)
        if self.tokens is not None and "tokens" in modules:
            x = self.tokens(x, block.is_forecast)
        return self.heads(x)

    def point_forecast(self, forecast: Tensor) -> Tensor:
        """Return the median (..., horizon) of quantiles (..., horizon, quantile)."""
        return forecast[..., self.heads.median_index]


class TrendProjection(nn.Module):
    """Projection of the extrapolated trend to the hidden size; its output starts at zero.

    Shapes: ``(..., channel x horizon) -> (..., hidden)``
    """

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Linear(size, hidden)
        self.out = nn.Linear(hidden, hidden)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, trend: Tensor) -> Tensor:
        """Project the trend."""
        return self.out(functional.elu(self.inner(trend)))


def select_forecast_days(x: Tensor, block: Block) -> Tensor:
    """Select the steps (stock, step, hidden) of each forecast day (day, stock, hidden).

    Uses ``embedding``, because its gradient is deterministic with several threads; that of indexing is not.
    """
    step = (block.step_of_day - (block.rows.shape[1] - x.shape[1])).clamp(min=0)  # (day, stock)
    first = x.shape[1] * torch.arange(len(x), device=x.device)
    return functional.embedding(first + step, x.flatten(0, 1))


def compile_network(network: Atft) -> Forward:
    """Compile a network at its first call; if compilation fails, run it without compilation."""
    from torch._dynamo.exc import TorchDynamoException  # imported here because it takes seconds

    forward: Forward = torch.compile(network, dynamic=False)

    def run_compiled(block: Block, modules: frozenset[ModuleName]) -> Tensor:
        """Run the compiled network, or the network itself if compilation fails."""
        nonlocal forward
        try:
            return forward(block, modules)
        except TorchDynamoException as error:
            if forward is network:
                raise
            _logger.warning("the network is not compiled and slower: %s", str(error).strip().splitlines()[0])
            forward = network
            return network(block, modules)

    return run_compiled
