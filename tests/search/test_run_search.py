"""Searches in this process: what becomes of trials, and what a study refuses."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from atft_kedro.panel.blocks import no_graphs
from atft_kedro.params import InputError
from atft_kedro.search.run_search import help_search, look_at, search
from atft_kedro.search.study import connect, open_study
from atft_kedro.search.study_status import ENOUGH
from atft_kedro.training.data import TrainingData
from atft_kedro.training.run import train_in_run
from atft_kedro.training.selection import SelectionParams
from factories.searches import NETWORK, TRAINING, Told, ask, runs_in, seek

pytestmark = pytest.mark.slow

DIVERGING = {"training.learning_rate": [3e-3, 1e-3, 1e9], "network.hidden_size": [8, 16]}


LONG: dict[str, Any] = {"ranges": {}, "choices": DIVERGING, "prune_after": 1, "epochs": 4, "seed": 8}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search")


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'studies.db'}"


def test_trials_end_complete_pruned_or_failed_and_say_why(training_data: TrainingData, home: Path) -> None:
    standing = seek(training_data, home, n_trials=12, **LONG)

    assert [trial.number for trial in standing.trials] == list(range(12))
    assert set(standing.counts) == {"complete", "pruned", "failed"}
    for trial in standing.trials:
        assert (trial.state == "failed") == (trial.chosen["training.learning_rate"] == 1e9)
    failed = next(trial for trial in standing.trials if trial.state == "failed")
    assert failed.reason is not None
    assert "is not finite" in failed.reason or "diverged" in failed.reason
    complete = [trial for trial in standing.trials if trial.state == "complete"]
    assert standing.winner == max(complete, key=lambda trial: trial.score or -1)
    assert all(trial.epochs == 4 for trial in complete)
    assert all(trial.epochs < 4 for trial in standing.trials if trial.state == "pruned")
    assert sum(standing.importance.values()) == pytest.approx(float(len(complete) >= ENOUGH))
    assert standing.seconds_left == 0.0


def test_a_study_goes_on_with_more_trials_and_begins_none_anew(training_data: TrainingData, home: Path) -> None:
    before = seek(training_data, home, n_trials=12, **LONG)
    after = seek(training_data, home, n_trials=14, **LONG)

    assert after.trials[:12] == before.trials
    assert len(after.trials) == 14
    assert len({str(trial.chosen) for trial in after.trials}) >= 4


def test_a_trial_is_the_training_that_its_parameters_ask_for(
    training_data: TrainingData, home: Path, tmp_path: Path
) -> None:
    standing = seek(training_data, home, n_trials=14, **LONG)
    winner = standing.winner
    assert winner is not None
    network = NETWORK.model_copy(update={"hidden_size": winner.chosen["network.hidden_size"]})
    training = TRAINING.model_copy(update={"learning_rate": winner.chosen["training.learning_rate"], "epochs": 4})

    alone = train_in_run(training_data, network, training, runs_in(tmp_path))

    assert alone.members[0].best_score == winner.score
    assert winner.run is not None
    assert not list((home / "s" / winner.run).rglob("*.pt"))
    assert (home / "s" / winner.run / "metrics.jsonl").exists()


def test_two_searches_of_one_seed_try_the_same(training_data: TrainingData, tmp_path: Path) -> None:
    one, other = (seek(training_data, tmp_path / name) for name in ("one", "other"))

    assert [trial.chosen for trial in one.trials] == [trial.chosen for trial in other.trials]
    assert [trial.score for trial in one.trials] == [trial.score for trial in other.trials]
    assert len({str(trial.chosen) for trial in one.trials}) == 3


def test_a_study_of_something_else_is_not_gone_on_with(training_data: TrainingData, home: Path, tmp_path: Path) -> None:
    seek(training_data, tmp_path, n_trials=1)
    wider = {"training.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}}

    with pytest.raises(InputError, match=r"\(space.training.learning_rate.high was 0.01, is 0.1\)"):
        seek(training_data, tmp_path, ranges=wider)
    with pytest.raises(InputError, match=r"training.weight_decay was 2.0, is 0.5"):
        seek(training_data, tmp_path, TRAINING.model_copy(update={"weight_decay": 0.5}))
    with pytest.raises(InputError, match=r"material was \w+, is \w+"):
        seek(replace(training_data, graphs=no_graphs(training_data.panel)), tmp_path)
    with pytest.raises(InputError, match=r"material was"):
        others = replace(training_data, graphs=no_graphs(training_data.panel))
        help_search("s", others, url_of(tmp_path), runs_in(tmp_path), Told())
    assert len(seek(training_data, tmp_path, TRAINING.model_copy(update={"log_every": 7}), n_trials=1).trials) == 1


def test_what_does_not_exist_is_told_with_what_does(training_data: TrainingData, tmp_path: Path) -> None:
    seek(training_data, tmp_path, n_trials=1)
    optuna.create_study(storage=url_of(tmp_path), study_name="theirs")

    with pytest.raises(InputError, match="There is no study 'nobody'; there are s, theirs"):
        look_at("nobody", url_of(tmp_path))
    with pytest.raises(InputError, match="theirs was not begun by this project"):
        look_at("theirs", url_of(tmp_path))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db", r"me:\*\*\*@127.0.0.1:1/db cannot be reached: connection"),
        ("sqlite:////proc/no/studies.db", "cannot be reached|No such file"),
        ("oracle://me@host/db", "driver is not installed"),
    ],
)
def test_a_storage_that_does_not_answer_is_told_without_its_password(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as told:
        connect(url)
    assert "secret" not in str(told.value)


def test_a_search_whose_trials_all_fail_ends(training_data: TrainingData, tmp_path: Path) -> None:
    hopeless = {"training.learning_rate": [1e9, 2e9]}

    with pytest.raises(InputError, match=r"The first 3 trials of the study s all failed:\n  trial 0: "):
        seek(training_data, tmp_path, n_trials=9, ranges={}, choices=hopeless)
    assert len(open_study(connect(url_of(tmp_path)), "s").trials) == 3


def test_trials_are_children_of_the_run_that_began_the_study(training_data: TrainingData, tmp_path: Path) -> None:
    first, second = Told(parent="mother"), Told(parent="another")
    for told, trials in ((first, 1), (second, 2)):
        search(training_data, NETWORK, TRAINING, ask(n_trials=trials), runs_in(tmp_path), told)

    assert (first.names, second.names) == (["trial 0"], ["trial 1"])
    assert first.parents == second.parents == ["mother"]
    assert set(second.params[0]) == {"training.learning_rate", "network.hidden_size"}


def test_the_score_is_weighed_as_asked(training_data: TrainingData, tmp_path: Path) -> None:
    weighed = TRAINING.model_copy(update={"selection": SelectionParams(horizon_weights={5: 1.0, 1: 0})})
    standing = seek(training_data, tmp_path, weighed, n_trials=1)

    assert standing.winner is not None
    lines = (tmp_path / "s" / str(standing.winner.run) / "metrics.jsonl").read_text()
    assert f'"rank_ic_5d": {standing.winner.score}' in lines
    with pytest.raises(InputError, match=r"the network forecasts no \[3\]"):
        unknown = TRAINING.model_copy(update={"selection": SelectionParams(horizon_weights={3: 1.0})})
        seek(training_data, tmp_path / "other", unknown, n_trials=9)
