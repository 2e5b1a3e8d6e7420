"""Runs that start from the best weights of an earlier run."""

import json
import logging
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import torch

from atft_kedro.network.params import NetworkParams
from atft_kedro.params import InputError
from atft_kedro.training.checkpoint import BEST, LAST
from atft_kedro.training.data import TrainingData
from atft_kedro.training.engine import Callback, Trainer
from atft_kedro.training.initial_weights import find_learned_until
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import LATEST, MANIFEST, Runs, read_manifest
from factories.params import make_params

NETWORK = make_params(NetworkParams, hidden_size=8, heads=2, layers=1, fan_channels=4, selection_size=4)
TRAINING = make_params(
    TrainingParams, phases=[{"name": "x", "epochs": 1, "learning_rate": 1e-3}], seeds=2, steps_per_phase=2
)


class FirstWeights(Callback):
    """Stores the weights and the state of the optimizer before the first step of each seed."""

    def __init__(self) -> None:
        self.weights: dict[int, dict[str, torch.Tensor]] = {}
        self.steps_done: list[int] = []

    def before_fit(self, trainer: Trainer) -> None:
        state = trainer.network.state_dict()
        self.weights[trainer.params.seed] = {name: weight.clone() for name, weight in state.items()}
        self.steps_done.append(trainer.progress.steps_done)


@pytest.fixture(scope="module")
def runs(training_data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The runs of a project with one finished run, of the seeds 7 and 8."""
    runs = Runs(tmp_path_factory.mktemp("runs"), commit="abc", is_dirty=True)
    train_in_run(training_data, NETWORK, TRAINING, runs)
    return runs


def start(training_data: TrainingData, runs: Runs, **changes: Any) -> tuple[Path, FirstWeights]:
    first = FirstWeights()
    training = TRAINING.model_copy(update=changes)
    return runs.find(train_in_run(training_data, NETWORK, training, runs, callbacks=[first]).run), first


def read_best(folder: Path) -> dict[str, torch.Tensor]:
    best: dict[str, torch.Tensor] = torch.load(folder / BEST, weights_only=True)["best"]
    return best


def test_a_seed_starts_from_the_weights_of_its_seed_else_of_the_first_seed(
    training_data: TrainingData, runs: Runs
) -> None:
    source = runs.find(runs.names()[0])
    folder, first = start(training_data, runs, seed=8, init_from=source.name)

    for seed, source_seed in ((8, 8), (9, 7)):
        best = read_best(source / f"seed_{source_seed}")
        assert all(best[name].equal(weight) for name, weight in first.weights[seed].items())
    assert first.steps_done == [0, 0]  # a new optimizer and a new schedule
    assert read_manifest(folder)["training"]["init_from"] == source.name
    assert any(not weight.equal(read_best(folder / "seed_8")[name]) for name, weight in first.weights[8].items())


def test_latest_is_the_run_before_and_is_stored_by_its_name(training_data: TrainingData, runs: Runs) -> None:
    before = runs.find(LATEST).name
    folder, _ = start(training_data, runs, init_from=LATEST, seeds=1)

    assert read_manifest(folder)["training"]["init_from"] == before != folder.name


def test_a_resumed_run_keeps_its_start_and_does_not_load_it_again(
    training_data: TrainingData, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    source = runs.names()[0]
    folder, _ = start(training_data, runs, init_from=source, seeds=1)
    last = torch.load(folder / LAST, weights_only=True)["network"]
    caplog.set_level(logging.INFO)
    caplog.clear()

    for init_from in (None, LATEST, source):
        _, first = start(training_data, runs, init_from=init_from, seeds=1, resume=folder.name)
        assert all(last[name].equal(weight) for name, weight in first.weights[7].items())
    assert "starts from run" not in caplog.text
    with pytest.raises(InputError, match="was trained with other parameters: training.init_from"):
        start(training_data, runs, init_from=folder.name, seeds=1, resume=folder.name)


def test_weights_of_another_network_or_other_features_are_refused_before_a_run_is_created(
    training_data: TrainingData, runs: Runs
) -> None:
    source, names = runs.find(runs.names()[0]), runs.names()
    wider = NETWORK.model_copy(update={"hidden_size": 16, "head_dropout": 0.3})
    training = TRAINING.model_copy(update={"init_from": source.name})
    message = r"do not fit: it was trained with network.hidden_size = 8 instead of 16\. Train from scratch"

    with pytest.raises(InputError, match=message):
        train_in_run(training_data, wider, training, runs)
    with pytest.raises(InputError, match=r"horizons = \[1, 5, 10, 20\] instead of \[1\]"):
        train_in_run(training_data, NETWORK.model_copy(update={"horizons": (1,)}), training, runs)
    manifest = (source / MANIFEST).read_text()
    (source / MANIFEST).write_text(json.dumps(json.loads(manifest) | {"feature_hash": "other"}))
    with pytest.raises(InputError, match="feature_hash = other instead of"):
        train_in_run(training_data, NETWORK, training, runs)
    (source / MANIFEST).write_text(manifest)
    assert runs.names() == names


def test_other_dropout_may_start_from_the_weights(training_data: TrainingData, runs: Runs) -> None:
    training = TRAINING.model_copy(update={"init_from": runs.names()[0], "seeds": 1})
    network = NETWORK.model_copy(update={"head_dropout": 0.3, "dropout": 0.1})

    assert train_in_run(training_data, network, training, runs).members[0].steps == 2


def test_the_last_day_learned_is_that_of_the_run_or_of_its_ancestors(training_data: TrainingData, runs: Runs) -> None:
    source = runs.find(runs.names()[0])
    manifest = read_manifest(source)
    last_day = training_data.split.ranges_of("validation")[-1].last
    assert find_learned_until(manifest) == last_day
    del manifest["learned_until"]
    assert find_learned_until(manifest) == last_day  # older runs do not store it

    text = (source / MANIFEST).read_text()
    (source / MANIFEST).write_text(text.replace(f'"learned_until": "{last_day}"', '"learned_until": "2999-01-01"'))
    with pytest.raises(InputError, match=rf"has learned from days until 2999-01-01, but validation ends on {last_day}"):
        start(training_data, runs, init_from=source.name)
    (source / MANIFEST).write_text(text.replace(f'"{last_day}"', '"1999-01-01"'))
    assert find_learned_until(read_manifest(source)) == date(1999, 1, 1)
    folder, _ = start(training_data, runs, init_from=source.name, seeds=1)
    assert find_learned_until(read_manifest(folder)) == last_day
    (source / MANIFEST).write_text(text)


def test_weights_that_were_trained_on_validation_days_are_refused(training_data: TrainingData, runs: Runs) -> None:
    source = runs.find(runs.names()[0])
    first, text = training_data.split.ranges_of("validation")[0].first, (source / MANIFEST).read_text()
    stored = read_manifest(source)["trained_until"]
    (source / MANIFEST).write_text(text.replace(f'"trained_until": "{stored}"', f'"trained_until": "{first}"'))

    with pytest.raises(InputError, match=f"was trained on days until {first}, but validation begins on {first}"):
        start(training_data, runs, init_from=source.name)
    (source / MANIFEST).write_text(text)
