"""Panels of noise, and processes that estimate or measure the memory of a training."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.network.params import NetworkParams
from atft_kedro.panel.blocks import PanelGraphs
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.panel.store import Panel, open_panel
from atft_kedro.panel.write import PanelPlan, PanelRows, write_panel
from atft_kedro.profiling.bench_train import make_panel
from atft_kedro.profiling.memory.estimate import TrainingPlan, measure_machine
from atft_kedro.profiling.memory.sizes import PanelSizes, make_metadata
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import Runs
from atft_kedro.training.telemetry import measure_memory
from factories.params import make_params

TESTS = Path(__file__).parents[1]
PHASES = [
    {"name": "plain", "epochs": 1, "learning_rate": 1e-3},
    {
        "name": "all",
        "epochs": 1,
        "learning_rate": 1e-3,
        "modules": ["fan", "gat"],
        "loss": "mse:0.7,ic:0.2,rank_ic:0.1",
    },
]


def estimate_sizes(features: int, stocks: int, days: int, horizons: tuple[int, ...]) -> PanelSizes:
    """Assume a panel with the project's split and graph parameters."""
    metadata = make_metadata(features, stocks, days, horizons)
    return PanelSizes.estimate(metadata, make_params(SplitParams), make_params(GraphParams))


def write_noise(folder: Path, features: int, stocks: int, days: int) -> None:
    """Write a panel of random numbers."""
    panel, _ = make_panel(features, stocks, days)
    rows = np.arange(stocks * days)
    tables = (panel.features.numpy()[:-1], panel.targets.numpy()[:-1], np.arange(days), panel.market.numpy())
    eligible, row_of = panel.eligible.numpy(), panel.row_of.numpy()
    write_panel(folder, PanelPlan(panel.metadata, row_of, eligible, len(rows), [PanelRows(rows, *tables)]))


def run_in_process(task: str, folder: Path, network: NetworkParams, training: TrainingParams) -> float:
    """Run a task of this module in a new process and return its number of bytes."""
    words = [sys.executable, "-m", "factories.memory", task, str(folder)]
    words += [network.model_dump_json(), training.model_dump_json()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # noqa: TID251
    process = subprocess.run(
        words, capture_output=True, text=True, check=False, cwd=TESTS, env=environment, timeout=300
    )
    assert process.returncode == 0, process.stderr
    return float(process.stdout)


def estimate(panel: Panel, network: NetworkParams, training: TrainingParams, folder: Path) -> float:
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)
    sizes = PanelSizes.measure(panel, split, make_params(GraphParams), training.days_per_block)
    return TrainingPlan(sizes, network, training).estimate(measure_machine("cpu")).memory


def train(panel: Panel, network: NetworkParams, training: TrainingParams, folder: Path) -> float:
    days, stocks = panel.row_of.shape
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)
    neighbours = torch.randint(0, stocks, (-(-days // 5), stocks, 10), dtype=torch.int32)
    edges = torch.zeros((*neighbours.shape, 3), dtype=torch.float16)
    graphs = PanelGraphs(neighbours, edges, torch.arange(days) // 5)
    train_in_run(TrainingData(panel, graphs, split), network, training, Runs(folder / "runs", "made", is_dirty=False))
    return measure_memory()["peak"]


if __name__ == "__main__":
    task, path, network, training = sys.argv[1:]
    function = {"estimate": estimate, "train": train}[task]
    folder = Path(path)
    params = NetworkParams.model_validate(json.loads(network)), TrainingParams.model_validate(json.loads(training))
    sys.stdout.write(str(function(open_panel(folder / "panel"), *params, folder)))
