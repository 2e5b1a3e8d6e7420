"""Searches in one process: the states of trials, and what a study refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atft_kedro.panel.blocks import no_graphs
from atft_kedro.params import InputError
from atft_kedro.search.run_search import join_search, search
from atft_kedro.search.study import load_study
from atft_kedro.search.study_status import MIN_COMPLETE_TRIALS
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import SelectionParams
from atft_kedro.training.run import train_in_run
from factories.params import make_params
from factories.searches import (
    NETWORK,
    TRAINING,
    RecordingTrackers,
    make_search_params,
    run_search,
    runs_in,
    url_in,
)

pytestmark = pytest.mark.slow

DIVERGING = {"training.learning_rate": [3e-3, 1e-3, 1e9], "network.hidden_size": [8, 16]}
LARGE: dict[str, Any] = {"ranges": {}, "choices": DIVERGING, "prune_after": 1, "epochs": 4, "seed": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search")


def test_trials_end_complete_pruned_or_failed_with_a_reason(training_data: TrainingData, folder: Path) -> None:
    status = run_search(training_data, folder, n_trials=12, **LARGE)

    assert [trial.number for trial in status.trials] == list(range(12))
    assert set(status.counts) == {"complete", "pruned", "failed"}
    for trial in status.trials:
        assert (trial.state == "failed") == (trial.params["training.learning_rate"] == 1e9)
    failed = next(trial for trial in status.trials if trial.state == "failed")
    assert failed.reason is not None
    assert "is not finite" in failed.reason or "diverged" in failed.reason
    complete = [trial for trial in status.trials if trial.state == "complete"]
    assert status.best_trial == max(complete, key=lambda trial: trial.score or -1)
    assert all(trial.epochs == 4 for trial in complete)
    assert all(trial.epochs < 4 for trial in status.trials if trial.state == "pruned")
    assert sum(status.importances.values()) == pytest.approx(float(len(complete) >= MIN_COMPLETE_TRIALS))
    assert status.seconds_left == 0.0


def test_a_study_continues_with_more_trials_and_repeats_none(training_data: TrainingData, folder: Path) -> None:
    before = run_search(training_data, folder, n_trials=12, **LARGE)
    after = run_search(training_data, folder, n_trials=14, **LARGE)

    assert after.trials[:12] == before.trials
    assert len(after.trials) == 14
    assert len({str(trial.params) for trial in after.trials}) >= 4


def test_a_trial_equals_a_training_with_its_parameters(
    training_data: TrainingData, folder: Path, tmp_path: Path
) -> None:
    status = run_search(training_data, folder, n_trials=14, **LARGE)
    winner = status.best_trial
    assert winner is not None
    network = NETWORK.model_copy(update={"hidden_size": winner.params["network.hidden_size"]})
    training = TRAINING.model_copy(update={"learning_rate": winner.params["training.learning_rate"], "epochs": 4})

    trained = train_in_run(training_data, network, training, runs_in(tmp_path))

    assert trained.members[0].best_score == winner.score
    assert winner.run is not None
    assert not list((folder / "s" / winner.run).rglob("*.pt"))
    assert (folder / "s" / winner.run / "metrics.jsonl").exists()


def test_two_searches_with_one_seed_run_the_same_trials(training_data: TrainingData, tmp_path: Path) -> None:
    first, second = (run_search(training_data, tmp_path / name) for name in ("first", "second"))

    assert [trial.params for trial in first.trials] == [trial.params for trial in second.trials]
    assert [trial.score for trial in first.trials] == [trial.score for trial in second.trials]
    assert len({str(trial.params) for trial in first.trials}) == 3


def test_a_study_with_other_settings_is_not_continued(training_data: TrainingData, tmp_path: Path) -> None:
    run_search(training_data, tmp_path, n_trials=1)
    wider = {"training.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}}
    other_data = replace(training_data, graphs=no_graphs(training_data.panel))

    with pytest.raises(InputError, match=r"\(space.training.learning_rate.high was 0.01, is 0.1\)"):
        run_search(training_data, tmp_path, ranges=wider)
    with pytest.raises(InputError, match=r"training.weight_decay was 2.0, is 0.5"):
        run_search(training_data, tmp_path, TRAINING.model_copy(update={"weight_decay": 0.5}))
    with pytest.raises(InputError, match=r"training_data was \w+, is \w+"):
        run_search(other_data, tmp_path)
    with pytest.raises(InputError, match=r"training_data was \w+, is \w+"):
        join_search("s", other_data, url_in(tmp_path), runs_in(tmp_path), RecordingTrackers())
    same = run_search(training_data, tmp_path, TRAINING.model_copy(update={"log_every": 7}), n_trials=1)
    assert len(same.trials) == 1


def test_a_search_ends_after_three_failures_and_no_score(training_data: TrainingData, tmp_path: Path) -> None:
    diverging = {"training.learning_rate": [1e9, 2e9]}

    with pytest.raises(InputError, match=r"3 trials of the study s failed, and none has a score:\n  trial 0: "):
        run_search(training_data, tmp_path, n_trials=9, ranges={}, choices=diverging)
    assert len(load_study(url_in(tmp_path), "s").trials) == 3


def test_trials_are_children_of_the_run_that_created_the_study(training_data: TrainingData, tmp_path: Path) -> None:
    first, second = RecordingTrackers(parent="first"), RecordingTrackers(parent="second")
    for trackers, trials in ((first, 1), (second, 2)):
        params = make_search_params(n_trials=trials)
        search(training_data, (NETWORK, TRAINING), params, runs_in(tmp_path), trackers)

    assert (first.names, second.names) == (["trial 0"], ["trial 1"])
    assert first.parents == second.parents == ["first"]
    assert set(second.params[0]) == {"training.learning_rate", "network.hidden_size"}


def test_the_score_has_the_weights_of_the_selection(training_data: TrainingData, tmp_path: Path) -> None:
    weighted = TRAINING.model_copy(update={"selection": make_params(SelectionParams, horizon_weights={5: 1.0, 1: 0})})
    status = run_search(training_data, tmp_path, weighted, n_trials=1)

    assert status.best_trial is not None
    lines = (tmp_path / "s" / str(status.best_trial.run) / "metrics.jsonl").read_text()
    assert f'"rank_ic_5d": {status.best_trial.score}' in lines
    unknown = TRAINING.model_copy(update={"selection": make_params(SelectionParams, horizon_weights={3: 1.0})})
    with pytest.raises(InputError, match=r"the network forecasts no \[3\]"):
        run_search(training_data, tmp_path / "other", unknown, n_trials=9)
