"""One search with its study and its confirmation."""

from pathlib import Path

import pytest

from atft_kedro.search.confirmation import Confirmation
from atft_kedro.search.study import StudySpec, load_study, read_spec
from atft_kedro.search.study_status import StudyStatus
from atft_kedro.training.data import TrainingData
from factories.searches import confirm_winner, run_search, url_in


@pytest.fixture(scope="package")
def search_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("searched")


@pytest.fixture(scope="package")
def status(training_data: TrainingData, search_folder: Path) -> StudyStatus:
    return run_search(training_data, search_folder, n_trials=3)


@pytest.fixture(scope="package")
def spec(status: StudyStatus, search_folder: Path) -> StudySpec:
    return read_spec(load_study(url_in(search_folder), "s"))


@pytest.fixture(scope="package")
def confirmation(status: StudyStatus, training_data: TrainingData, search_folder: Path) -> Confirmation:
    return confirm_winner(status, training_data, search_folder)
