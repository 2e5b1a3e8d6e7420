"""What a network looks at: features, lags, neighbours and frequencies, averaged over the days of a part."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ..network.atft import Atft
from ..network.params import MODULES, ModuleName
from ..network.temporal import WindowAttention
from ..panel.blocks import Block, BlockReader


@dataclass
class AttentionStats:
    """Where a network's attention went; lists hold a tensor for each block, in the processor's memory."""

    day: list[Tensor] = field(default_factory=list)  # (day,) in the panel
    features: list[Tensor] = field(default_factory=list)  # (day, feature): weight, one on average
    neighbours: list[Tensor] = field(default_factory=list)  # (day, 1 + neighbour): oneself first, then by rank
    lags: dict[int, list[Tensor]] = field(default_factory=dict)  # of each layer (head, lag)
    frequencies: list[Tensor] = field(default_factory=list)  # (channel, frequency): share of windows it is taken from


@torch.no_grad()
def collect_attention(
    network: Atft,
    reader: BlockReader,
    blocks: Iterable[np.ndarray],
    modules: frozenset[ModuleName] = frozenset(MODULES),
) -> AttentionStats:
    """Let a network forecast some blocks, and watch what it looks at; modules that are off look at nothing."""
    attention_stats, network = AttentionStats(), network.eval()
    inputs: dict[nn.Module, tuple[Tensor, ...]] = {}
    watched = [network.fan, network.gat, *network.temporal.attentions]
    hooks = [module.register_forward_pre_hook(inputs.__setitem__) for module in watched]
    try:
        for days in blocks:
            block = reader.read(days)
            network(block, modules)
            _look(network, block, inputs, attention_stats)
    finally:
        for hook in hooks:
            hook.remove()
    return attention_stats


def _look(
    network: Atft, block: Block, inputs: dict[nn.Module, tuple[Tensor, ...]], attention_stats: AttentionStats
) -> None:
    there, forecast = block.day >= 0, block.is_forecast
    weights = network.selection.weights(network.selection.fill(block), block)  # (stock, step, feature)
    place = block.slot.clamp(min=0) + weights.shape[1] * torch.arange(len(weights), device=weights.device)
    attention_stats.day.append(block.day[there].cpu())
    attention_stats.features.append(_mean(weights.flatten(0, 1)[place], forecast)[there].cpu())
    if network.gat in inputs:
        x, neighbours, edges = inputs[network.gat]
        heard, _ = network.gat.attention.attend(network.gat.norm(x), neighbours, edges)
        by_day = heard.mean(-1).permute(1, 2, 0)  # (day, stock, 1 + neighbour)
        attention_stats.neighbours.append(_mean(by_day, forecast)[there].cpu())
    alive = forecast.any(0)
    for layer, attention in enumerate(network.temporal.attentions):
        assert isinstance(attention, WindowAttention)
        by_lag = attention.weights(*inputs[attention])[alive]  # (stock, head, step, lag)
        attention_stats.lags.setdefault(layer, []).append(by_lag.mean((0, 2)).cpu())
    if network.fan in inputs:
        (x,) = inputs[network.fan]
        channels = x[alive][..., : network.fan.channels].transpose(1, 2)
        taken = network.fan.strongest(network.fan.transform(channels)).chunk(2, -1)[0]
        attention_stats.frequencies.append(taken.mean((0, 2)).cpu())


def _mean(values: Tensor, forecast: Tensor) -> Tensor:
    """Average (day, stock, …) over the stocks that are forecast."""
    kept = values.where(forecast.unsqueeze(-1), 0).sum(1)
    return kept / forecast.sum(1, keepdim=True).clamp(min=1)
