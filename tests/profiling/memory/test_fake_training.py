"""A training that is only imagined takes the steps of a real one, and takes nothing."""

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

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.network.atft import Atft
from atft_kedro.network.params import NetworkParams
from atft_kedro.panel.blocks import BlockReader
from atft_kedro.panel.sampler import BlockSampler
from atft_kedro.panel.split import SplitParams
from atft_kedro.profiling.bench_train import EDGE_ATTRIBUTES, HORIZONS, make_panel
from atft_kedro.profiling.memory.fake_training import Imagination, walk_through
from atft_kedro.profiling.memory.sizes import Sizes, name_panel
from atft_kedro.training.distributed import ProcessGroup
from atft_kedro.training.forecasting import make_plain_scoring, score_days
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.telemetry import read_memory
from atft_kedro.training.train_step import TrainStep
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
SIZES = Sizes.make_up(name_panel(FEATURES, STOCKS, DAYS, HORIZONS), make_params(SplitParams), make_params(GraphParams))


def params(**changes: Any) -> TrainingParams:
    return make_params(TrainingParams, **({"phases": [PHASE], "days_per_block": BLOCK} | changes))


def measure(do: Callable[[], object], trace: Path) -> int:
    """Let torch's own profiler count what something holds at the most."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watching:
        do()
    watching.export_chrome_trace(str(trace))
    events = json.loads(trace.read_text())["traceEvents"]
    return max(event["args"]["Total Allocated"] for event in events if event["name"] == "[memory]")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_counted_is_what_a_real_step_holds(precision: str, tmp_path: Path) -> None:
    training = params(precision=precision)
    panel, graphs = make_panel(FEATURES, STOCKS, DAYS)
    network = Atft(NETWORK, FEATURES, HORIZONS, EDGE_ATTRIBUTES)
    train_step = TrainStep(network, BlockReader(panel, graphs, NETWORK.lookback, BLOCK), training, ProcessGroup())
    days = [30 + np.arange(BLOCK)]
    train_step.run(days, training.phases[0], 1e-3)

    walk = walk_through(SIZES, NETWORK, training)

    taken = measure(lambda: train_step.run(days, training.phases[0], 1e-3), tmp_path / "trace.json")
    assert walk.step == pytest.approx(taken, rel=0.001)


def test_what_is_counted_is_what_scoring_many_days_holds(tmp_path: Path) -> None:
    panel, graphs = make_panel(FEATURES, STOCKS, 800)
    network = Atft(NETWORK, FEATURES, HORIZONS, EDGE_ATTRIBUTES)
    reader = BlockReader(panel, graphs, NETWORK.lookback, BLOCK)
    blocks = list(BlockSampler([100 + np.arange(600)], BLOCK, seed=7).chronological())
    scoring = make_plain_scoring(len(HORIZONS))

    walk = walk_through(replace(SIZES, validation_days=600), NETWORK, params())

    taken = measure(
        lambda: score_days(network, reader, blocks, frozenset(), scoring, ProcessGroup()), tmp_path / "trace.json"
    )
    assert walk.scoring == pytest.approx(taken, rel=0.1)


def test_what_lasts_is_counted_to_the_byte() -> None:
    network = Atft(NETWORK, FEATURES, HORIZONS, EDGE_ATTRIBUTES)
    weights = sum(weight.nbytes for weight in network.parameters())
    buffers = sum(buffer.nbytes for buffer in network.buffers())
    count = sum(1 for _ in network.parameters())

    walk = walk_through(SIZES, NETWORK, params())

    assert walk.weights == weights + buffers
    assert walk.optimizer == 2 * weights + 4 * count  # two averages of each weight, and its count of steps
    assert walk.averages == pytest.approx(3 * weights + 2 * buffers, abs=500)  # average, the last epochs', the best
    assert walk.panel == SIZES.bytes_of(SIZES.rows + 1)
    assert walk.index == pytest.approx(2 * 16 * SIZES.rows, rel=0.05)  # two readers


CHANGES: list[dict[str, Any]] = [
    {"augment": {"segment_permutation": 2, "mixup": 0.2, "time_mask": 2, "edge_dropout": 0.1, "feature_noise": 0.5}},
    {"loss": "rank_net:1,list_net:1,sharpe:1,turnover:1,huber:1"},
    {"gradient_penalty": 0.1},
    {"freeze": ["variable_selection"], "start_from": "best", "scheduler": "plateau", "patience": 1},
]


@pytest.mark.parametrize("changes", CHANGES, ids=["augmented", "losses", "penalty", "frozen"])
def test_whatever_a_phase_does_can_be_imagined(changes: dict[str, Any]) -> None:
    walk = walk_through(SIZES, NETWORK, params(phases=[PHASE, PHASE | {"name": "other"} | changes]))

    assert walk.step > 0
    assert walk.scoring > 0


def test_the_phase_with_the_largest_step_is_named() -> None:
    plain = {"name": "plain", "epochs": 1, "learning_rate": 1e-3}

    assert walk_through(SIZES, NETWORK, params(phases=[plain, PHASE, plain | {"name": "last"}])).phase == "all"


def test_a_training_that_no_machine_holds_takes_nothing() -> None:
    sizes = Sizes.make_up(name_panel(2000, 20_000, 300, HORIZONS), make_params(SplitParams), make_params(GraphParams))
    before = read_memory(torch.device("cpu"))["peak_memory_gb"]

    walk = walk_through(sizes, make_params(NetworkParams, hidden_size=512, lookback=60), params(days_per_block=64))

    assert walk.step > 300e9
    assert read_memory(torch.device("cpu"))["peak_memory_gb"] - before < 0.5


def test_a_copy_of_an_imagined_tensor_is_of_the_same_imagination() -> None:
    """Copied modes once freed their references twice, and the process died at its end."""
    with Imagination() as mode:
        copied = copy.deepcopy({"weight": torch.empty(3)})

    assert copied["weight"].fake_mode is mode
