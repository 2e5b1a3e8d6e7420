"""Trials that end early: stopped, interrupted, stale, surplus or crashed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from atft_kedro.params import InputError
from atft_kedro.search import trial as trial_module
from atft_kedro.search.run_search import join_search
from atft_kedro.search.study import MAX_CRASHES, STOP, load_study, open_storage, requeue_trial, retry_stale_trial
from atft_kedro.search.study_status import read_status
from atft_kedro.training.data import TrainingData
from atft_kedro.training.engine import Callback, Stop, Trainer
from atft_kedro.training.run import train_in_run
from factories.searches import RecordingTrackers, run_search, runs_in, url_in

pytestmark = pytest.mark.slow


class AfterEpoch(Callback):
    """Calls a function once, after some epoch."""

    def __init__(self, epoch: int, function: Callable[[], None]) -> None:
        self.epoch, self.function = epoch, function

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        if len(trainer.progress.history) == self.epoch:
            self.epoch = -1
            self.function()


@pytest.fixture
def add_callback(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callback], None]:
    """Return a function that adds a callback to the trainings of trials."""

    def add(callback: Callback) -> None:
        def train(*args: Any, **options: Any) -> Any:
            return train_in_run(*args, **options | {"callbacks": [callback, *options["callbacks"]]})

        monkeypatch.setattr(trial_module, "train_in_run", train)

    return add


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("reason", ["stop", "interrupt"])
def test_a_stopped_trial_resumes_to_the_same_score(
    training_data: TrainingData, tmp_path: Path, add_callback: Callable[[Callback], None], reason: str
) -> None:
    undisturbed = run_search(training_data, tmp_path / "undisturbed", n_trials=2, epochs=4)

    def stop() -> None:
        load_study(url_in(tmp_path), "s").set_user_attr(STOP, True)

    add_callback(AfterEpoch(2, stop if reason == "stop" else interrupt))
    with pytest.raises(Stop):
        run_search(training_data, tmp_path, n_trials=2, epochs=4)
    if reason == "stop":
        with pytest.raises(InputError, match="The study s was stopped"):
            join_search("s", training_data, url_in(tmp_path), runs_in(tmp_path), RecordingTrackers())
    status = run_search(training_data, tmp_path, n_trials=2, epochs=4)

    stopped, retried, second = status.trials
    assert (stopped.state, retried.state, retried.params) == ("retried", "complete", stopped.params)
    assert retried.run == stopped.run
    assert [retried.score, second.score] == [trial.score for trial in undisturbed.trials]


def test_a_worker_that_missed_its_heartbeats_gives_up_its_trial_and_continues(
    training_data: TrainingData, tmp_path: Path, add_callback: Callable[[Callback], None]
) -> None:
    def mark_as_stale() -> None:
        study = load_study(url_in(tmp_path), "s")
        study.tell(0, state=optuna.trial.TrialState.FAIL)
        retry_stale_trial(study, study.trials[0])

    add_callback(AfterEpoch(1, mark_as_stale))
    status = run_search(training_data, tmp_path, n_trials=2)

    assert [trial.state for trial in status.trials] == ["retried", "complete", "complete"]
    assert status.trials[1].params == status.trials[0].params


def test_a_run_that_another_process_trains_is_not_resumed(
    training_data: TrainingData, tmp_path: Path, add_callback: Callable[[Callback], None]
) -> None:
    add_callback(AfterEpoch(1, interrupt))
    with pytest.raises(Stop):
        run_search(training_data, tmp_path, n_trials=1)
    run = read_status(load_study(url_in(tmp_path), "s")).trials[0].run
    assert run is not None
    runs = runs_in(tmp_path / "s")
    assert runs.is_free(run)

    with runs.lock(runs.find(run)):
        assert not runs.is_free(run)
        status = run_search(training_data, tmp_path, n_trials=1)

    assert [trial.state for trial in status.trials] == ["retried", "complete"]
    assert status.trials[1].run != run


def test_a_trial_of_a_worker_that_died_before_its_first_heartbeat_is_repeated(
    training_data: TrainingData, tmp_path: Path
) -> None:
    run_search(training_data, tmp_path, n_trials=1)
    load_study(url_in(tmp_path), "s").ask()  # a worker that starts a trial and dies

    status = run_search(training_data, tmp_path, n_trials=2)

    assert [trial.state for trial in status.trials] == ["complete", "retried", "complete"]


def test_a_trial_in_which_too_many_workers_died_fails_and_stops_do_not_count(
    training_data: TrainingData, tmp_path: Path
) -> None:
    run_search(training_data, tmp_path, n_trials=1)
    study = load_study(url_in(tmp_path), "s")

    def fail_next(requeue: Callable[[optuna.Study, optuna.trial.FrozenTrial], None]) -> None:
        trial = study.ask()
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        requeue(study, study.trials[trial.number])

    for _ in range(MAX_CRASHES + 1):
        fail_next(lambda study, trial: requeue_trial(study, trial, {}))
    for _ in range(MAX_CRASHES + 1):
        fail_next(retry_stale_trial)

    states = [trial.state for trial in read_status(study).trials]
    assert states == ["complete", *["retried"] * (2 * MAX_CRASHES + 1), "failed"]


def test_a_surplus_trial_does_not_count(training_data: TrainingData, tmp_path: Path) -> None:
    run_search(training_data, tmp_path, n_trials=1)
    study = load_study(url_in(tmp_path), "s")
    for _ in range(4):
        trial = study.ask()
        trial.set_user_attr("surplus", True)
        trial.set_user_attr("reason", "Trial limit reached")
        study.tell(trial, state=optuna.trial.TrialState.FAIL)

    status = run_search(training_data, tmp_path, n_trials=2)

    assert [trial.state for trial in status.trials] == ["complete", *["surplus"] * 4, "complete"]
    assert (status.wanted_trials, status.scored_trials) == (2, 2)


def test_a_study_with_an_interrupted_creation_is_completed(training_data: TrainingData, tmp_path: Path) -> None:
    optuna.create_study(storage=open_storage(url_in(tmp_path)), study_name="s", direction="maximize")

    assert run_search(training_data, tmp_path, n_trials=1).scored_trials == 1
