"""The number of weights and floating point operations of a network, by module."""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..network.atft import Atft
from ..network.params import NetworkParams
from ..panel.blocks import Block, BlockReader, PanelGraphs
from ..panel.store import Panel
from ..training.data import choose_horizons
from ..training.params import TrainingParams


class ModuleSize(NamedTuple):
    """The size of one module of the network."""

    name: str
    weights: int
    flops: float  # of matrix products, per forecast


class NetworkSize(NamedTuple):
    """The sizes of all modules, and a title that states what was measured."""

    title: str
    modules: tuple[ModuleSize, ...]


def measure_network(panel: Panel, graphs: PanelGraphs, params: NetworkParams, training: TrainingParams) -> NetworkSize:
    """Count the weights and operations of a network on the newest block of a panel."""
    panel = choose_horizons(panel, params.horizons)
    network = Atft(params, len(panel.metadata.features), panel.metadata.horizons, graphs.edges.shape[-1])
    days = min(training.days_per_block, len(panel.row_of))
    newest = len(panel.row_of) - days + np.arange(days)
    block = BlockReader(panel, graphs, params.lookback, days).read(newest)
    flops = count_flops(network, block)
    forecasts = max(int(block.is_forecast.sum()), 1)
    modules = tuple(
        ModuleSize(name, sum(weight.numel() for weight in child.parameters()), flops.get(name, 0.0) / forecasts)
        for name, child in network.named_children()
        if any(True for _ in child.parameters())
    )
    sizes = f"{len(panel.metadata.features)} features, hidden {params.hidden_size}, lookback {params.lookback}"
    return NetworkSize(f"{sizes}, blocks of {days} days x {len(block.stock)} stocks", modules)


@torch.no_grad()
def count_flops(network: Atft, block: Block) -> dict[str, float]:
    """Count the floating point operations of each module's matrix products in one forward pass."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # the counter sees no other
        network.eval()(block)
    counts = counter.get_flop_counts()
    return {name.split(".")[1]: float(sum(ops.values())) for name, ops in counts.items() if name.count(".") == 1}
