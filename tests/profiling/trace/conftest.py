"""A trainer that is warm, and the files of a profile."""

from pathlib import Path

import pytest

from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.profiling.bench_train import make_panel
from atft_kedro.profiling.trace.steps import Rehearsal
from atft_kedro.training.data import TrainingData
from factories.params import make_params
from factories.profiles import Asked


@pytest.fixture(scope="session")
def asked() -> Asked:
    panel, graphs = make_panel(features=8, stocks=40, days=250)
    return Asked(TrainingData(panel, graphs, split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)))


@pytest.fixture(scope="session")
def rehearsal(asked: Asked) -> Rehearsal:
    return asked.begin()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace.json"
