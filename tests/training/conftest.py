"""A factory of trainers of a small network on a small market."""

from typing import Any

import pytest

from atft_kedro.network.params import NetworkParams
from atft_kedro.training.data import TrainingData
from atft_kedro.training.distributed import TrainingProcesses
from atft_kedro.training.engine import Trainer
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import make_trainer
from factories.params import make_params
from factories.training import NETWORK, PHASES, Make


@pytest.fixture(scope="session")
def make(training_data: TrainingData) -> Make:
    def make_small_trainer(
        callbacks: Any = (), size: NetworkParams = NETWORK, data: TrainingData = training_data, **params: Any
    ) -> Trainer:
        training = make_params(TrainingParams, **({"phases": PHASES, "days_per_block": 16} | params))
        trainer = make_trainer(data, size, training, TrainingProcesses())
        trainer.callbacks = callbacks
        return trainer

    return make_small_trainer
