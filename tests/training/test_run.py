"""Training in run folders: manifests, resuming, seeds, and errors before the first step."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from atft_kedro.network.params import NetworkParams
from atft_kedro.panel.blocks import no_graphs
from atft_kedro.panel.store import Panel
from atft_kedro.params import InputError
from atft_kedro.training.checkpoint import LAST
from atft_kedro.training.data import TrainingData, choose_horizons, count_stocks_per_day
from atft_kedro.training.engine import Callback, Trainer
from atft_kedro.training.forecasting import load_members
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import HEARTBEAT, LATEST, MANIFEST, STOP_FILE, TRAIN_LOG, Runs, TrainedRun
from factories.params import make_params

NETWORK = make_params(NetworkParams, hidden_size=8, heads=2, layers=1, fan_channels=4, selection_size=4)
TRAINING = make_params(TrainingParams, phases=[{"name": "x", "epochs": 1, "learning_rate": 1e-3}])


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs", commit="abc", is_dirty=True)


def test_a_manifest_contains_parameters_and_data(
    training_data: TrainingData, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "atft_kedro")
    stocks = count_stocks_per_day(training_data.panel)
    training = TRAINING.model_copy(update={"samples_per_block": round(12 * stocks), "days_per_block": 3})
    trained = train_in_run(training_data, NETWORK, training, runs)

    manifest = json.loads((runs.find(LATEST) / MANIFEST).read_text())
    assert (manifest["commit"], manifest["is_dirty"], manifest["panel"]) == ("abc", True, training_data.panel.identity)
    assert manifest["network"]["hidden_size"] == 8
    assert manifest["training"]["phases"][0]["name"] == "x"
    assert manifest["training"]["days_per_block"] == 12
    assert f"samples_per_block {round(12 * stocks)}: blocks of 12 days ({stocks:.0f} stocks a day)" in caplog.text
    assert trained.run == runs.find(LATEST).name
    assert trained.members[0].epochs == 1
    assert trained.members[0].steps > 1


def test_the_latest_run_is_the_one_that_was_trained_last(training_data: TrainingData, runs: Runs) -> None:
    first = train_in_run(training_data, NETWORK, TRAINING, runs).run
    second = train_in_run(training_data, NETWORK, TRAINING, runs).run
    newest = runs.find(LATEST).name
    train_in_run(training_data, NETWORK, TRAINING.model_copy(update={"resume": first}), runs)

    assert first != second == newest
    assert runs.find(LATEST).name == first


def test_a_network_can_forecast_some_of_the_horizons(training_data: TrainingData, runs: Runs) -> None:
    panel: Panel = choose_horizons(training_data.panel, (5, 20))

    assert panel.metadata.horizons == (5, 20)
    assert panel.targets[100].nan_to_num().equal(training_data.panel.targets[100, [1, 3]].nan_to_num())
    assert (
        train_in_run(training_data, NETWORK.model_copy(update={"horizons": (5,)}), TRAINING, runs).members[0].epochs
        == 1
    )
    with pytest.raises(InputError, match=r"the dataset has no targets for \[3\], only \(1, 5, 10, 20\)"):
        choose_horizons(training_data.panel, (1, 3))


def test_a_run_is_not_resumed_with_other_data_or_parameters(training_data: TrainingData, runs: Runs) -> None:
    train_in_run(training_data, NETWORK, TRAINING, runs)
    again = TRAINING.model_copy(update={"resume": LATEST})

    with pytest.raises(
        InputError, match=r"was trained with other parameters: training.weight_decay = 2.0 instead of 0.5\."
    ):
        train_in_run(training_data, NETWORK, again.model_copy(update={"weight_decay": 0.5}), runs)
    with pytest.raises(InputError, match="was trained with other graphs or another split"):
        train_in_run(replace(training_data, graphs=no_graphs(training_data.panel)), NETWORK, again, runs)
    with runs.lock(runs.find(LATEST)), pytest.raises(InputError, match="is being trained by another process"):
        train_in_run(training_data, NETWORK, again, runs)
    assert train_in_run(training_data, NETWORK, again, runs).run == runs.find(LATEST).name


def test_a_resumed_run_may_change_its_logging_and_device(
    training_data: TrainingData, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    train_in_run(training_data, NETWORK, TRAINING, runs)
    (runs.find(LATEST) / STOP_FILE).touch()  # left over from an earlier request to stop
    again = TRAINING.model_copy(update={"resume": LATEST, "nan_budget": 99, "log_every": 3, "device": "cpu"})

    assert train_in_run(training_data, NETWORK, again, runs).members[0].epochs == 1
    log = (runs.find(LATEST) / TRAIN_LOG).read_text()
    assert log.count("INFO run ") == 2  # both went into one log
    assert "INFO x 1/1: validation rank IC" in log


def test_a_run_without_a_checkpoint_restarts_with_its_parameters(training_data: TrainingData, runs: Runs) -> None:
    first = train_in_run(training_data, NETWORK, TRAINING, runs)
    (runs.find(LATEST) / LAST).unlink()
    again = TRAINING.model_copy(update={"resume": LATEST})

    with pytest.raises(InputError, match="was trained with other parameters"):
        train_in_run(training_data, NETWORK, again.model_copy(update={"seed": 9}), runs)
    assert train_in_run(training_data, NETWORK, again, runs) == first


def test_a_run_of_several_seeds_is_done_after_the_last(training_data: TrainingData, runs: Runs) -> None:
    states: list[tuple[str, float]] = []

    class Read(Callback):
        def after_fit(self, trainer: Trainer, scores: dict[str, float]) -> None:
            heartbeat = json.loads((runs.find(LATEST) / HEARTBEAT).read_text())
            states.append((heartbeat["state"], heartbeat["seconds_left"]))

    several = TRAINING.model_copy(update={"seeds": 2})
    trained = train_in_run(training_data, NETWORK, several, runs, callbacks=[Read()])

    assert [state for state, _ in states] == ["training", "done"]
    assert states[0][1] > 0
    assert len(trained.members) == 2
    again = train_in_run(training_data, NETWORK, several.model_copy(update={"resume": LATEST}), runs)
    assert again == trained


def test_a_market_of_one_stock_is_refused(training_data: TrainingData, runs: Runs) -> None:
    eligible = training_data.panel.eligible.clone()
    eligible[:, 1:] = False
    one_stock = replace(training_data, panel=replace(training_data.panel, eligible=eligible))

    with pytest.raises(InputError, match="Each train day has at most 1 stocks; a correlation needs 3"):
        train_in_run(one_stock, NETWORK, TRAINING, runs)


def test_stocks_have_no_neighbours_on_a_day_without_a_graph(training_data: TrainingData, runs: Runs) -> None:
    graph_of = training_data.graphs.graph_of.clone()
    graph_of[training_data.split.indices_of("train", training_data.panel.days)[:40]] = -1
    graphs = replace(training_data.graphs, graph_of=graph_of)
    with_gat = make_params(
        TrainingParams, phases=[{"name": "x", "epochs": 1, "learning_rate": 1e-3, "modules": ["gat"]}]
    )

    trained = train_in_run(replace(training_data, graphs=graphs), NETWORK, with_gat, runs)

    assert trained.members[0].best_score is not None


def test_a_validation_without_scores_keeps_the_newest_weights_and_warns(
    training_data: TrainingData, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    targets = training_data.panel.targets.clone()
    days = training_data.split.indices_of("validation", training_data.panel.days)
    targets[training_data.panel.row_of[days].flatten().long()] = torch.nan
    unknown = replace(training_data, panel=replace(training_data.panel, targets=targets))
    two_epochs = make_params(TrainingParams, phases=[{"name": "x", "epochs": 2, "learning_rate": 1e-3}])

    trained = train_in_run(unknown, NETWORK, two_epochs, runs)

    folder = runs.find(LATEST)
    (member,) = load_members(folder, unknown)
    newest = torch.load(folder / LAST, weights_only=True)["ema"]
    assert all(weight.equal(newest[name]) for name, weight in member.network.state_dict().items())
    assert TrainedRun.model_validate_json(trained.model_dump_json()).members[0].best_score is None
    assert "the validation rank IC of this epoch is undefined: the newest weights count as the best" in caplog.text


def test_no_validation_days_is_an_error(training_data: TrainingData, runs: Runs) -> None:
    eligible = training_data.panel.eligible.clone()
    eligible[training_data.split.indices_of("validation", training_data.panel.days)] = False
    empty = replace(training_data, panel=replace(training_data.panel, eligible=eligible))

    with pytest.raises(InputError, match="No stock is in the universe on any validation day"):
        train_in_run(empty, NETWORK, TRAINING, runs)
