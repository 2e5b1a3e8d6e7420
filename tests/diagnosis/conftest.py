"""Fixtures that train small networks and diagnose them."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from atft_kedro.diagnosis.diagnosis import Diagnosis
from atft_kedro.features.build import FeatureParams
from atft_kedro.market.cleaning import CleaningParams, clean_price_table
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import simulate_market
from atft_kedro.training.data import TrainingData
from atft_kedro.training.failure_checks import TrainingFailure
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import LATEST, Runs
from factories.datasets import make_ml_dataset, make_training_data
from factories.params import make_params
from factories.training import NETWORK
from factories.training_logs import Train, diagnose_checked

EMPTY: Mapping[str, Any] = MappingProxyType({})
PHASE = {"name": "one", "epochs": 6, "learning_rate": 5e-3, "augment": {"feature_noise": 0.5}}


@pytest.fixture(scope="session")
def easy_data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """Training data of a market that a small network learns quickly and without overfitting."""
    strengths = {"reversal": 0.35, "momentum": 0.0, "spillover": 0.35, "periodic": 0.0}
    params = make_params(MarketParams, **{"stocks": 40, "days": 320, "seed": 11, "strengths": strengths})
    prices = clean_price_table(simulate_market(params).prices.lazy(), make_params(CleaningParams), date.today())[0]
    return make_training_data(
        make_ml_dataset(prices, make_params(FeatureParams)), tmp_path_factory.mktemp("plain") / "panel"
    )


@pytest.fixture
def train(tmp_path: Path, easy_data: TrainingData) -> Train:
    """Train with the given parameters, even if that fails, and diagnose the run."""

    def train(
        data: TrainingData = easy_data, callbacks: Any = (), network: Mapping[str, Any] = EMPTY, **params: Any
    ) -> Diagnosis:
        runs = Runs(tmp_path / "runs", commit="abc", is_dirty=False)
        values = {"days_per_block": 16, "ema_decay": 0.9, "log_every": 5} | params
        values["phases"] = [PHASE | phase for phase in params.get("phases", [{}])]
        training = make_params(TrainingParams, **values)
        with suppress(TrainingFailure):
            train_in_run(data, NETWORK.model_copy(update=network), training, runs, callbacks=callbacks)
        return diagnose_checked(runs.find(LATEST))

    return train
