"""Fixtures with a training to profile."""

from pathlib import Path

import pytest

from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.profiling.bench_train import make_panel
from atft_kedro.profiling.trace.steps import ProfiledTraining
from atft_kedro.training.data import TrainingData
from factories.params import make_params
from factories.profiles import ProfileCase


@pytest.fixture(scope="session")
def profile_case() -> ProfileCase:
    panel, graphs = make_panel(features=8, stocks=40, days=250)
    return ProfileCase(
        TrainingData(panel, graphs, split_days(panel.days, make_params(SplitParams, embargo_days=0), 20))
    )


@pytest.fixture(scope="session")
def profiled_training(profile_case: ProfileCase) -> ProfiledTraining:
    return profile_case.start()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "trace.json"
