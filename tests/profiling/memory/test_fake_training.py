"""Test that a training with fake tensors counts the memory of a real one and allocates none."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from atft_kedro.network.atft import Atft
from atft_kedro.network.params import NetworkParams
from atft_kedro.panel.blocks import BlockReader
from atft_kedro.panel.sampler import BlockSampler
from atft_kedro.profiling.bench_train import EDGE_ATTRIBUTES, HORIZONS, make_panel
from atft_kedro.profiling.memory.fake_training import CopyableFakeMode, simulate_training
from atft_kedro.training.distributed import TrainingProcesses
from atft_kedro.training.forecasting import make_plain_scoring, score_days
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.telemetry import read_memory
from atft_kedro.training.train_step import TrainStep
from factories.memory import estimate_sizes
from factories.params import make_params

FEATURES, STOCKS, DAYS, BLOCK = 12, 40, 60, 6
NETWORK = make_params(NetworkParams, hidden_size=64, lookback=16, fan_channels=8, market_tokens=2)
PHASE: dict[str, Any] = {
    "name": "all",
    "epochs": 1,
    "learning_rate": 1e-3,
    "modules": ["fan", "gat", "tokens"],
    "loss": {"mse": 0.7, "ic": 0.2, "rank_ic": 0.1, "quantile": 0.05},
}
SIZES = estimate_sizes(FEATURES, STOCKS, DAYS, HORIZONS)


def params(**changes: Any) -> TrainingParams:
    return make_params(TrainingParams, **({"phases": [PHASE], "days_per_block": BLOCK} | changes))


def measure_peak(action: Callable[[], object], trace: Path) -> int:
    """Measure the peak memory of an action with torch's profiler."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        action()
    profiler.export_chrome_trace(str(trace))
    events = json.loads(trace.read_text())["traceEvents"]
    return max(event["args"]["Total Allocated"] for event in events if event["name"] == "[memory]")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_estimate_of_a_step_equals_its_measured_peak(precision: str, tmp_path: Path) -> None:
    training = params(precision=precision)
    panel, graphs = make_panel(FEATURES, STOCKS, DAYS)
    network = Atft(NETWORK, FEATURES, HORIZONS, EDGE_ATTRIBUTES)
    train_step = TrainStep(network, BlockReader(panel, graphs, NETWORK.lookback, BLOCK), training, TrainingProcesses())
    days = [30 + np.arange(BLOCK)]
    train_step.run(days, training.phases[0], 1e-3)

    used = simulate_training(SIZES, NETWORK, training)

    measured = measure_peak(lambda: train_step.run(days, training.phases[0], 1e-3), tmp_path / "trace.json")
    assert used.step == pytest.approx(measured, rel=0.001)


def test_the_estimate_of_scoring_is_near_its_measured_peak(tmp_path: Path) -> None:
    panel, graphs = make_panel(FEATURES, STOCKS, 800)
    network = Atft(NETWORK, FEATURES, HORIZONS, EDGE_ATTRIBUTES)
    reader = BlockReader(panel, graphs, NETWORK.lookback, BLOCK)
    blocks = list(BlockSampler([100 + np.arange(600)], BLOCK, seed=7).chronological())
    scoring = make_plain_scoring(len(HORIZONS))

    used = simulate_training(replace(SIZES, validation_days=600), NETWORK, params())

    measured = measure_peak(
        lambda: score_days(network, reader, blocks, frozenset(), scoring, TrainingProcesses()), tmp_path / "trace.json"
    )
    assert used.scoring == pytest.approx(measured, rel=0.1)


def test_permanent_memory_is_counted_to_the_byte() -> None:
    network = Atft(NETWORK, FEATURES, HORIZONS, EDGE_ATTRIBUTES)
    weights = sum(weight.nbytes for weight in network.parameters())
    buffers = sum(buffer.nbytes for buffer in network.buffers())
    count = sum(1 for _ in network.parameters())

    used = simulate_training(SIZES, NETWORK, params())

    assert used.weights == weights + buffers
    assert used.optimizer == 2 * weights + 4 * count  # two moments and a step count of each weight
    assert used.averages == pytest.approx(3 * weights + 2 * buffers, abs=500)  # EMA, SWA, best weights
    assert used.panel == SIZES.count_bytes(SIZES.rows + 1)
    assert used.index == pytest.approx(2 * 16 * SIZES.rows, rel=0.05)  # two readers


CHANGES: list[dict[str, Any]] = [
    {"augment": {"segment_permutation": 2, "mixup": 0.2, "time_mask": 2, "edge_dropout": 0.1, "feature_noise": 0.5}},
    {"loss": "rank_net:1,list_net:1,sharpe:1,turnover:1,huber:1"},
    {"gradient_penalty": 0.1},
    {"freeze": ["variable_selection"], "start_from": "best", "scheduler": "plateau", "patience": 1},
]


@pytest.mark.parametrize("changes", CHANGES, ids=["augmented", "losses", "penalty", "frozen"])
def test_every_option_of_a_phase_works_with_fake_tensors(changes: dict[str, Any]) -> None:
    used = simulate_training(SIZES, NETWORK, params(phases=[PHASE, PHASE | {"name": "other"} | changes]))

    assert used.step > 0
    assert used.scoring > 0


def test_the_phase_with_the_largest_step_is_named() -> None:
    plain = {"name": "plain", "epochs": 1, "learning_rate": 1e-3}

    used = simulate_training(SIZES, NETWORK, params(phases=[plain, PHASE, plain | {"name": "last"}]))

    assert used.phase == "all"


def test_an_enormous_training_allocates_no_memory() -> None:
    sizes = estimate_sizes(2000, 20_000, 300, HORIZONS)
    before = read_memory(torch.device("cpu"))["peak_memory_gb"]

    used = simulate_training(sizes, make_params(NetworkParams, hidden_size=512, lookback=60), params(days_per_block=64))

    assert used.step > 200e9
    assert read_memory(torch.device("cpu"))["peak_memory_gb"] - before < 0.5


def test_a_copied_fake_tensor_keeps_its_mode() -> None:
    """A copied mode frees its references twice, which ends the process with an error."""
    with CopyableFakeMode() as mode:
        copied = copy.deepcopy({"weight": torch.empty(3)})

    assert copied["weight"].fake_mode is mode
