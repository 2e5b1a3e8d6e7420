"""A small market, a small network and a trainer of them, for all tests of the engine."""

from typing import Any

import polars as pl
import pytest

from atft_kedro.graph.choice import GraphParams
from atft_kedro.graph.placing import place_graphs
from atft_kedro.network.sizes import NetworkParams
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.training.engine import Trainer
from atft_kedro.training.mode import TrainingParams
from atft_kedro.training.ranks import Ranks
from atft_kedro.training.run import Material, make_trainer
from in_training import NETWORK, PHASES, Make
from made import make_graphs, make_panel


@pytest.fixture(scope="session")
def material(ml_dataset: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Material:
    panel = make_panel(ml_dataset, tmp_path_factory.mktemp("engine") / "panel")
    split = split_days(panel.days, SplitParams(embargo_days=0), 20)
    graphs = place_graphs(make_graphs(ml_dataset, GraphParams(neighbours=4)).lazy(), panel)
    return Material(panel, graphs, split)


@pytest.fixture(scope="session")
def make(material: Material) -> Make:
    def made(
        callbacks: Any = (), size: NetworkParams = NETWORK, made_of: Material = material, **params: Any
    ) -> Trainer:
        training = TrainingParams.model_validate({"phases": PHASES, "days_per_block": 16} | params)
        trainer = make_trainer(made_of, size, training, Ranks())
        trainer.callbacks = callbacks
        return trainer

    return made
