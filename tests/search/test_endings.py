"""Trials that end before their time: stopped, interrupted, thought dead, or one too many."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from atft_kedro.params import InputError
from atft_kedro.search import trial as trying
from atft_kedro.search.run_search import help_search, look_at
from atft_kedro.search.study import RETRIES, STOP, bury, connect, queue_again
from atft_kedro.search.study_status import read_standing
from atft_kedro.training.data import TrainingData
from atft_kedro.training.engine import Callback, Stop, Trainer
from atft_kedro.training.run import train_in_run
from factories.searches import Told, runs_in, seek

pytestmark = pytest.mark.slow


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'studies.db'}"


class After(Callback):
    """Does something once, after some epoch."""

    def __init__(self, epoch: int, then: Callable[[], None]) -> None:
        self.epoch, self.then = epoch, then

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        if len(trainer.progress.history) == self.epoch:
            self.epoch = -1
            self.then()


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[After], None]:
    """Let something happen from outside while a trial trains."""

    def watched(callback: After) -> None:
        def trained(*words: Any, **named: Any) -> Any:
            return train_in_run(*words, **named | {"watchers": [callback, *named["watchers"]]})

        monkeypatch.setattr(trying, "train_in_run", trained)

    return watched


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("how", ["stop", "interrupt"])
def test_a_trial_that_is_ended_goes_on_to_the_same_number(
    training_data: TrainingData, tmp_path: Path, meanwhile: Callable[[After], None], how: str
) -> None:
    whole = seek(training_data, tmp_path / "whole", n_trials=2, epochs=4)

    def stop() -> None:
        look_at("s", url_of(tmp_path)).set_user_attr(STOP, True)

    meanwhile(After(2, stop if how == "stop" else interrupt))
    with pytest.raises(Stop):
        seek(training_data, tmp_path, n_trials=2, epochs=4)
    if how == "stop":
        with pytest.raises(InputError, match="The study s was stopped"):
            help_search("s", training_data, url_of(tmp_path), runs_in(tmp_path), Told())
    standing = seek(training_data, tmp_path, n_trials=2, epochs=4)

    stopped, again, second = standing.trials
    assert (stopped.state, again.state, again.chosen) == ("retried", "complete", stopped.chosen)
    assert again.run == stopped.run
    assert [again.score, second.score] == [trial.score for trial in whole.trials]


def test_a_worker_that_was_silent_too_long_leaves_its_trial_to_others_and_goes_on(
    training_data: TrainingData, tmp_path: Path, meanwhile: Callable[[After], None]
) -> None:
    def bury_alive() -> None:
        study = look_at("s", url_of(tmp_path))
        study.tell(0, state=optuna.trial.TrialState.FAIL)
        bury(study, study.trials[0])

    meanwhile(After(1, bury_alive))
    standing = seek(training_data, tmp_path, n_trials=2)

    assert [trial.state for trial in standing.trials] == ["retried", "complete", "complete"]
    assert standing.trials[1].chosen == standing.trials[0].chosen


def test_a_run_that_somebody_still_trains_in_is_not_gone_on_with(
    training_data: TrainingData, tmp_path: Path, meanwhile: Callable[[After], None]
) -> None:
    meanwhile(After(1, interrupt))
    with pytest.raises(Stop):
        seek(training_data, tmp_path, n_trials=1)
    run = read_standing(look_at("s", url_of(tmp_path))).trials[0].run
    assert run is not None
    runs = runs_in(tmp_path / "s")
    assert runs.is_free(run)

    with runs.alone(runs.find(run)):
        assert not runs.is_free(run)
        standing = seek(training_data, tmp_path, n_trials=1)

    assert [trial.state for trial in standing.trials] == ["retried", "complete"]
    assert standing.trials[1].run != run


def test_a_trial_whose_worker_died_before_it_could_say_so_is_tried_again(
    training_data: TrainingData, tmp_path: Path
) -> None:
    seek(training_data, tmp_path, n_trials=1)
    look_at("s", url_of(tmp_path)).ask()  # and dies

    standing = seek(training_data, tmp_path, n_trials=2)

    assert [trial.state for trial in standing.trials] == ["complete", "retried", "complete"]


def test_a_trial_that_every_worker_dies_of_is_given_up_and_stops_do_not_count(
    training_data: TrainingData, tmp_path: Path
) -> None:
    seek(training_data, tmp_path, n_trials=1)
    study = look_at("s", url_of(tmp_path))

    def end(then: Callable[[optuna.Study, optuna.trial.FrozenTrial], None]) -> None:
        trial = study.ask()
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        then(study, study.trials[trial.number])

    for _ in range(RETRIES + 1):
        end(lambda study, trial: queue_again(study, trial, {}))
    for _ in range(RETRIES + 1):
        end(bury)

    states = [trial.state for trial in read_standing(study).trials]
    assert states == ["complete", *["retried"] * (2 * RETRIES + 1), "failed"]


def test_one_too_many_is_no_trial_of_the_study(training_data: TrainingData, tmp_path: Path) -> None:
    seek(training_data, tmp_path, n_trials=1)
    study = look_at("s", url_of(tmp_path))
    for _ in range(4):
        trial = study.ask()
        trial.set_user_attr("surplus", True)
        trial.set_user_attr("reason", "One too many")
        study.tell(trial, state=optuna.trial.TrialState.FAIL)

    standing = seek(training_data, tmp_path, n_trials=2)

    assert [trial.state for trial in standing.trials] == ["complete", *["surplus"] * 4, "complete"]
    assert (standing.wanted, standing.tried) == (2, 2)


def test_a_study_whose_beginning_was_cut_off_is_begun(training_data: TrainingData, tmp_path: Path) -> None:
    optuna.create_study(storage=connect(url_of(tmp_path)), study_name="s", direction="maximize")

    assert seek(training_data, tmp_path, n_trials=1).tried == 1
