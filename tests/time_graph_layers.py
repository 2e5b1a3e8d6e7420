"""Time training steps with graph convolutions against the graph attention: ``python tests/time_graph_layers.py``.

Steps of the layers alternate, so that other work of the machine slows all of them. The table has medians, for the whole
step and for the graph layer alone (forward and backward).
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from atft_kedro.network.atft import Atft
from atft_kedro.network.params import NetworkParams
from atft_kedro.panel.blocks import BlockReader
from atft_kedro.profiling.bench_train import EDGE_ATTRIBUTES, HORIZONS, NETWORK, PHASE, TRAINING, make_panel
from atft_kedro.training.distributed import TrainingProcesses
from atft_kedro.training.hardware import keep_freed_memory
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.train_step import TrainStep

FEATURES, HIDDEN, LOOKBACK = 60, 64, 20
SIZES = ((200, 8), (1000, 32))  # stocks, days
LAYERS = ("gatv2", *(f"torch_geometric.nn:{name}" for name in ("GATv2Conv", "TransformerConv", "GCNConv", "SAGEConv")))
Steps = tuple[Callable[[], object], Callable[[], object]]


def make_steps(layer: str, stocks: int, days: int) -> Steps:
    """Make a training step, and a step of the graph layer alone."""
    panel, graphs = make_panel(FEATURES, stocks, LOOKBACK - 1 + 2 * days)
    sizes = {"hidden_size": HIDDEN, "lookback": LOOKBACK, "graph_layer": layer, "graph_signed_heads": 0}
    torch.manual_seed(7)
    network = Atft(NetworkParams.model_validate(NETWORK | sizes), FEATURES, HORIZONS, EDGE_ATTRIBUTES)
    training = TrainingParams.model_validate(TRAINING | {"precision": "fp32", "compile": False, "phases": [PHASE]})
    reader = BlockReader(panel, graphs, LOOKBACK, days)
    train_step = TrainStep(network, reader, training, TrainingProcesses())
    newest = LOOKBACK - 1 + days + np.arange(days)
    block = reader.read(newest)
    x = torch.randn(days, block.neighbours.shape[1], HIDDEN, requires_grad=True)
    attention = network.gat.attention
    return (
        lambda: train_step.run([newest], training.phases[0], 1e-3),
        lambda: attention(x, block.neighbours, block.edges).square().sum().backward(),
    )


def time_alternately(steps: list[Callable[[], object]], rounds: int) -> list[float]:
    """Return the median time of each step in milliseconds; the first two rounds warm up."""
    times = np.empty((2 + rounds, len(steps)))
    for row in times:
        for index, step in enumerate(steps):
            started = time.perf_counter()
            step()
            row[index] = time.perf_counter() - started
    return (1000 * np.median(times[2:], axis=0)).tolist()


def main() -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    lines = ["| stocks, days | layer | step, ms | ratio | graph layer alone, ms | ratio |", "|---|---|---|---|---|---|"]
    for stocks, days in SIZES:
        steps = [make_steps(layer, stocks, days) for layer in LAYERS]
        whole, alone = (
            time_alternately([pair[index] for pair in steps], 30 if stocks < 500 else 9) for index in range(2)
        )
        for layer, step, part in zip(LAYERS, whole, alone, strict=True):
            ratios = step / whole[0], part / alone[0]
            name = layer.rpartition(":")[2]
            lines.append(f"| {stocks}, {days} | {name} | {step:.0f} | {ratios[0]:.2f} | {part:.1f} | {ratios[1]:.2f} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
