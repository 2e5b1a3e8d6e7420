"""Script of the tests of several processes: trains in each process that ``torchrun`` starts."""

import atexit
import json
import sys
from pathlib import Path

import polars as pl
import torch

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.panel_indices import index_graphs
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.panel.store import open_panel
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import Runs
from factories.datasets import make_graphs
from factories.params import make_params
from factories.training import NETWORK


def report_threads() -> None:
    """Print the threads of the process group that are alive when the interpreter ends."""
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    sys.stderr.write("".join(f"{name} outlives the group\n" for name in names if "gloo" in name))


atexit.register(report_threads)  # registered first, so it runs last
torch.set_num_threads(1)
folder, training = Path(sys.argv[1]), make_params(TrainingParams, **json.loads(sys.argv[2]))
panel = open_panel(folder / "panel")
graphs = index_graphs(
    make_graphs(pl.read_parquet(folder / "ml_dataset.parquet"), make_params(GraphParams, neighbours=4)).lazy(), panel
)
training_data = TrainingData(panel, graphs, split_days(panel.days, make_params(SplitParams, embargo_days=0), 20))
calm = NETWORK.model_copy(update={"dropout": 0.0, "head_dropout": 0.0})
train_in_run(training_data, calm, training, Runs(folder / "runs", "abc", is_dirty=False))
