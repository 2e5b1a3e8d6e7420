"""A small market, a small network and a trainer of them, for all tests of the engine."""

from typing import Any

import pytest

from atft_kedro.network.params import NetworkParams
from atft_kedro.training.data import TrainingData
from atft_kedro.training.distributed import ProcessGroup
from atft_kedro.training.engine import Trainer
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import make_trainer
from factories.params import make_params
from factories.training import NETWORK, PHASES, Make


@pytest.fixture(scope="session")
def make(training_data: TrainingData) -> Make:
    def made(
        callbacks: Any = (), size: NetworkParams = NETWORK, made_of: TrainingData = training_data, **params: Any
    ) -> Trainer:
        training = make_params(TrainingParams, **({"phases": PHASES, "days_per_block": 16} | params))
        trainer = make_trainer(made_of, size, training, ProcessGroup())
        trainer.callbacks = callbacks
        return trainer

    return made
