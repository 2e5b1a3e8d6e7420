"""The node that trains."""

import polars as pl

from atft_kedro.graph.placing import place_graphs
from atft_kedro.network.sizes import NetworkParams
from atft_kedro.panel.split import Split
from atft_kedro.panel.store import Panel
from atft_kedro.training.mode import TrainingParams
from atft_kedro.training.run import Material, train_in_run
from atft_kedro.training.runs import Runs, TrainedRun
from atft_kedro.training.tracking import Tracker


def fit_network(  # noqa: PLR0913, PLR0917 — a training needs them all
    panel: Panel,
    graphs: pl.LazyFrame,
    split: Split,
    runs: Runs,
    tracker: Tracker,
    network: NetworkParams,
    training: TrainingParams,
) -> TrainedRun:
    """Train through all phases, in a run folder of its own."""
    return train_in_run(Material(panel, place_graphs(graphs, panel), split), network, training, runs, tracker)
