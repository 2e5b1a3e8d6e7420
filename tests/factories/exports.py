"""A run of two small networks with all its inputs, which tests export."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from atft_kedro.evaluation.conformal import Corrections
from atft_kedro.evaluation.score import RunScore
from atft_kedro.export.model import Model
from atft_kedro.export.model_card import ModelInputs
from atft_kedro.export.model_folder import export_model
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.network.params import NetworkParams
from atft_kedro.panel.universe import UniverseParams
from atft_kedro.schema import target_columns
from atft_kedro.training.data import TrainingData
from atft_kedro.training.forecasting import TrainedNetwork
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from factories.params import make_params

NETWORK = make_params(
    NetworkParams,
    hidden_size=8,
    lookback=12,
    heads=2,
    layers=1,
    fan_window=4,
    fan_channels=4,
    graph_heads=2,
    graph_signed_heads=1,
)
PHASE = {"name": "one", "epochs": 1, "learning_rate": 1e-2, "modules": ["fan", "gat"], "loss": "mse:1,quantile:1"}
TRAINING = make_params(TrainingParams, phases=[PHASE], seeds=2)
GRAPH = make_params(GraphParams, neighbours=4, window=60, min_observations=30, lag_days=3, subtract_market=False)
UNIVERSE = make_params(UniverseParams, min_history=20, max_stocks_per_day=22)
CATALOGUE = "made"
SELDOM = ("S0015", "S0010")  # trades on every fourth day only; does not trade for 90 days


@dataclass(frozen=True)
class Trained:
    """A trained run and everything that its export needs."""

    dataset: pl.DataFrame
    training_data: TrainingData
    runs: Runs
    run: Path
    members: list[TrainedNetwork]
    forecasts: pl.DataFrame
    inputs: ModelInputs
    corrections: Corrections
    score: RunScore

    def export(self) -> Path:
        return self.run / export_model(self.run, self.members, self.inputs, self.corrections, self.score).folder


def without_graph(model: Model) -> Model:
    """Switch off the graph attention of a model's networks."""
    return replace(model, members=tuple(replace(member, modules=frozenset({"fan"})) for member in model.members))


def cut_after(dataset: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return what is known at a day's close: no later rows, and no targets."""
    return dataset.filter(pl.col("date") <= day).drop(target_columns(dataset.schema))
