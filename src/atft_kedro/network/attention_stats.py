"""Weights that a network gives to features, lags, neighbours and frequencies, averaged over stocks."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ..panel.blocks import Block, BlockReader
from .atft import Atft
from .gat import GraphAttention
from .params import MODULES, ModuleName
from .temporal import WindowAttention


@dataclass
class AttentionStats:
    """Weights of a network, averaged over stocks; lists of one CPU tensor per block."""

    day: list[Tensor] = field(default_factory=list)  # (day,): index in the panel
    features: list[Tensor] = field(default_factory=list)  # (day, feature): weights with mean one
    neighbours: list[Tensor] = field(default_factory=list)  # (day, 1 + neighbour): the stock itself first, then by rank
    lags: dict[int, list[Tensor]] = field(default_factory=dict)  # keys: index of the layer; (head, lag)
    frequencies: list[Tensor] = field(default_factory=list)  # (channel, frequency): share of windows that select it


@torch.no_grad()
def collect_attention(
    network: Atft,
    reader: BlockReader,
    blocks: Iterable[np.ndarray],
    modules: frozenset[ModuleName] = frozenset(MODULES),
) -> AttentionStats:
    """Collect a network's weights while it forecasts blocks.

    Modules that are off and graph convolutions have none.
    """
    stats, network = AttentionStats(), network.eval()
    inputs: dict[nn.Module, tuple[Tensor, ...]] = {}
    observed = [network.fan, network.gat, *network.temporal.attentions]
    hooks = [module.register_forward_pre_hook(inputs.__setitem__) for module in observed]
    try:
        for days in blocks:
            block = reader.read(days)
            network(block, modules)
            _add_block(network, block, inputs, stats)
    finally:
        for hook in hooks:
            hook.remove()
    return stats


def _add_block(network: Atft, block: Block, inputs: dict[nn.Module, tuple[Tensor, ...]], stats: AttentionStats) -> None:
    is_day, is_forecast = block.day >= 0, block.is_forecast
    selection = network.variable_selection
    weights = selection.compute_weights(selection.replace_missing(block), block)  # (stock, step, feature)
    index = block.step_of_day.clamp(min=0) + weights.shape[1] * torch.arange(len(weights), device=weights.device)
    stats.day.append(block.day[is_day].cpu())
    stats.features.append(_mean_over_stocks(weights.flatten(0, 1)[index], is_forecast)[is_day].cpu())
    if network.gat in inputs and isinstance(network.gat.attention, GraphAttention):
        x, neighbours, edges = inputs[network.gat]
        attention, _ = network.gat.attention.attention_weights(network.gat.norm(x), neighbours, edges)
        by_day = attention.mean(-1).permute(1, 2, 0)  # (day, stock, 1 + neighbour)
        stats.neighbours.append(_mean_over_stocks(by_day, is_forecast)[is_day].cpu())
    active = is_forecast.any(0)
    for layer, window_attention in enumerate(network.temporal.attentions):
        assert isinstance(window_attention, WindowAttention)
        by_lag = window_attention.weights(*inputs[window_attention])[active]  # (stock, head, step, lag)
        stats.lags.setdefault(layer, []).append(by_lag.mean((0, 2)).cpu())
    if network.fan in inputs:
        (x,) = inputs[network.fan]
        channels = x[active][..., : network.fan.channels].transpose(1, 2)
        selected = network.fan.mark_strongest(network.fan.transform(channels)).chunk(2, -1)[0]
        stats.frequencies.append(selected.mean((0, 2)).cpu())


def _mean_over_stocks(values: Tensor, is_forecast: Tensor) -> Tensor:
    """Average (day, stock, …) over the stocks that are forecast."""
    total = values.where(is_forecast.unsqueeze(-1), 0).sum(1)
    return total / is_forecast.sum(1, keepdim=True).clamp(min=1)
