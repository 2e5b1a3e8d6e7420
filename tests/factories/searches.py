"""Searches over a small market with a small network, in this process or in one of their own."""

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

from atft_kedro.features.sets import FeatureParams
from atft_kedro.market.cleaning import CleaningParams, clean_price_table
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import simulate_market
from atft_kedro.params import InputError
from atft_kedro.search.plan import SearchParams
from atft_kedro.search.run_search import help_search, look_at, search
from atft_kedro.search.study_status import Standing, read_standing
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from atft_kedro.training.tracking import NO_TRACKER, Tracker
from factories.datasets import make_ml_dataset, make_training_data
from factories.params import make_params
from factories.processes import wait_for
from factories.training import NETWORK, PHASES

TRAINING = TrainingParams.model_validate({"phases": PHASES, "days_per_block": 16})
SPACE: dict[str, Any] = {
    "ranges": {"training.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}},
    "choices": {"network.hidden_size": [8, 16]},
}


@dataclass
class Told:
    """Trackers that remember who was told what."""

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


def ask(**params: Any) -> SearchParams:
    """Ask for a small search."""
    asked = {"study": "s", "n_trials": 3, "epochs": 2, "heartbeat_seconds": 1} | SPACE | params
    return SearchParams.model_validate(asked)


def seek(training_data: TrainingData, folder: Path, training: TrainingParams = TRAINING, **params: Any) -> Standing:
    """Search in this process."""
    return search(training_data, NETWORK, training, ask(**params), runs_in(folder), Told())


def runs_in(folder: Path) -> Runs:
    return Runs(folder, commit="abc", is_dirty=False)


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Search in a process of its own: ``search URL TRIALS`` or ``help URL NAME``; what it says is in a log.

    A helper may be started before there is a study: it says that it is ready and waits for one.
    """
    log = (folder / f"{words[0]}-{len(list(folder.glob('*.log')))}.log").open("wb")
    code = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}  # noqa: TID251
    with log:
        command = [sys.executable, "-m", "in_searches", str(folder), *words]
        return subprocess.Popen(command, stdout=log, stderr=log, env=code)


def stand(url: str) -> Standing | None:
    try:
        return read_standing(look_at("s", url))
    except (InputError, OptunaError, KeyError):  # not begun yet
        return None


def main(folder: Path, role: str, url: str, name: str) -> None:
    prices = simulate_market(MarketParams(stocks=24, days=320, seed=11)).prices.lazy()
    dataset = make_ml_dataset(clean_price_table(prices, make_params(CleaningParams), date.today())[0], FeatureParams())
    training_data, runs = make_training_data(dataset, folder / f"panel-{os.getpid()}"), runs_in(folder)
    if role == "search":
        search(training_data, NETWORK, TRAINING, ask(n_trials=int(name), storage=url, epochs=8), runs, Told())
    else:
        (folder / "ready").touch()
        wait_for(lambda: stand(url) is not None)
        help_search("s", training_data, url, runs, Told())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
