"""Searches over a small market with a small network, in this process or in a separate one."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from optuna.exceptions import OptunaError

from atft_kedro.features.build import FeatureParams
from atft_kedro.market.cleaning import CleaningParams, clean_price_table
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import simulate_market
from atft_kedro.params import InputError
from atft_kedro.search.confirmation import Confirmation, ConfirmationTrainer, confirm
from atft_kedro.search.plan import SearchParams
from atft_kedro.search.run_search import join_search, search
from atft_kedro.search.study import load_study
from atft_kedro.search.study_status import StudyStatus, read_status
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from atft_kedro.training.tracking import NO_TRACKER, Tracker
from factories.datasets import make_ml_dataset, make_training_data
from factories.forecasts import EVALUATION
from factories.params import make_params
from factories.processes import wait_for
from factories.training import NETWORK, PHASES

TRAINING = make_params(TrainingParams, phases=PHASES, days_per_block=16)
SPACE: dict[str, Any] = {
    "ranges": {"training.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}},
    "choices": {"network.hidden_size": [8, 16]},
    "parameter_tiers": {},
}


@dataclass
class RecordingTrackers:
    """Trial trackers that record the names, parameters and parents of the trials."""

    parent: str | None = None
    names: list[str] = field(default_factory=list)
    params: list[Mapping[str, object]] = field(default_factory=list)
    parents: list[str | None] = field(default_factory=list)

    def current(self) -> str | None:
        return self.parent

    @contextmanager
    def trial(
        self, name: str, params: Mapping[str, object], parent: str | None, former: str | None = None
    ) -> Iterator[Tracker]:
        self.names.append(name)
        self.params.append(params)
        self.parents.append(parent)
        yield NO_TRACKER


def make_search_params(**changes: Any) -> SearchParams:
    """Build the parameters of a small search."""
    small = {"study": "s", "n_trials": 3, "epochs": 2, "heartbeat_seconds": 1} | SPACE
    return make_params(SearchParams, **small | changes)


def run_search(data: TrainingData, folder: Path, training: TrainingParams = TRAINING, **changes: Any) -> StudyStatus:
    """Run a search in this process."""
    trackers = RecordingTrackers()
    return search(data, (NETWORK, training), make_search_params(**changes), runs_in(folder), trackers)


def confirm_winner(status: StudyStatus, data: TrainingData, folder: Path) -> Confirmation:
    """Retrain the winner and the current configuration with two seeds."""
    trainer = ConfirmationTrainer(data, runs_in(folder), RecordingTrackers())
    return confirm(status, trainer, (NETWORK, TRAINING), make_search_params(confirm_seeds=2), EVALUATION)


def runs_in(folder: Path) -> Runs:
    return Runs(folder, commit="abc", is_dirty=False)


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'studies.db'}"


def start_worker(folder: Path, role: str, url: str, trials: int = 0) -> subprocess.Popen[bytes]:
    """Start a process that searches (role ``search``) or joins a search (``join``).

    Its output is in a log file. A process that joins creates the file ``ready`` and waits until the study exists.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}  # noqa: TID251
    command = [sys.executable, "-m", "factories.searches", str(folder), role, url, str(trials)]
    with (folder / f"{role}-{len(list(folder.glob('*.log')))}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def find_status(url: str) -> StudyStatus | None:
    """Read the status of the study; None before it exists."""
    try:
        return read_status(load_study(url, "s"))
    except (InputError, OptunaError, KeyError):
        return None


def main(folder: Path, role: str, url: str, trials: int) -> None:
    prices = simulate_market(make_params(MarketParams, stocks=24, days=320, seed=11)).prices.lazy()
    dataset = make_ml_dataset(
        clean_price_table(prices, make_params(CleaningParams), date.today())[0], make_params(FeatureParams)
    )
    data, runs, trackers = (
        make_training_data(dataset, folder / f"panel-{os.getpid()}"),
        runs_in(folder),
        RecordingTrackers(),
    )
    if role == "search":
        params = make_search_params(n_trials=trials, storage=url, epochs=8)
        search(data, (NETWORK, TRAINING), params, runs, trackers)
    else:
        (folder / "ready").touch()
        wait_for(lambda: find_status(url) is not None)
        join_search("s", data, url, runs, trackers)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
