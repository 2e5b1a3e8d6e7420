"""Runs: a folder for each, found by name, and what a training refuses before its first step."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.network.sizes import NetworkParams
from atft_kedro.panel.blocks import no_graphs
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.panel.store import Panel
from atft_kedro.params import InputError
from atft_kedro.training.mode import TrainingParams
from atft_kedro.training.run import Material, choose_horizons, train_in_run
from atft_kedro.training.runs import LATEST, MANIFEST, Runs
from made import make_panel

NETWORK = NetworkParams(hidden_size=8, heads=2, layers=1, fan_channels=4, selection_size=4)
TRAINING = TrainingParams.model_validate({"phases": [{"name": "x", "epochs": 1, "learning_rate": 1e-3}]})


@pytest.fixture(scope="module")
def material(ml_dataset: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Material:
    panel = make_panel(ml_dataset, tmp_path_factory.mktemp("run") / "panel")
    return Material(panel, no_graphs(panel), split_days(panel.days, SplitParams(embargo_days=0), 20))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs", commit="abc", is_dirty=True)


def test_runs_have_folders_of_their_own_and_latest_is_the_newest(runs: Runs) -> None:
    one, other = runs.begin({"panel": "p"}), runs.begin({"panel": "p"})

    assert one != other
    assert runs.find(LATEST) == other.resolve()
    assert runs.find(one.name) == one.resolve()
    assert json.loads((other / MANIFEST).read_text()) == {"panel": "p"}
    with pytest.raises(InputError, match=f"There is no run 'mine' in .*; there are {one.name}, {other.name}"):
        runs.find("mine")


def test_a_training_leaves_what_it_was_made_of(material: Material, runs: Runs) -> None:
    trained = train_in_run(material, NETWORK, TRAINING, runs)

    manifest = json.loads((runs.find(LATEST) / MANIFEST).read_text())
    assert (manifest["commit"], manifest["is_dirty"], manifest["panel"]) == ("abc", True, material.panel.identity)
    assert manifest["network"]["hidden_size"] == 8
    assert manifest["training"]["phases"][0]["name"] == "x"
    assert trained.run == runs.find(LATEST).name
    assert trained.members[0].epochs == 1
    assert trained.members[0].steps > 1


def test_a_network_can_forecast_some_of_the_horizons(material: Material, runs: Runs) -> None:
    panel: Panel = choose_horizons(material.panel, (5, 20))

    assert panel.meaning.horizons == (5, 20)
    assert panel.targets[100].nan_to_num().equal(material.panel.targets[100, [1, 3]].nan_to_num())
    assert train_in_run(material, NETWORK.model_copy(update={"horizons": (5,)}), TRAINING, runs).members[0].epochs == 1
    with pytest.raises(InputError, match=r"the dataset has no targets for \[3\], only \(1, 5, 10, 20\)"):
        choose_horizons(material.panel, (1, 3))


def test_another_panel_or_other_parameters_do_not_go_on_with_a_run(material: Material, runs: Runs) -> None:
    train_in_run(material, NETWORK, TRAINING, runs)
    again = TRAINING.model_copy(update={"resume": LATEST})

    with pytest.raises(InputError, match="was made with another params"):
        train_in_run(material, NETWORK, again.model_copy(update={"weight_decay": 0.5}), runs)
    assert train_in_run(material, NETWORK, again, runs).run == runs.find(LATEST).name


def test_no_days_to_validate_on_is_said(material: Material, runs: Runs) -> None:
    nobody = material.panel.eligible.clone()
    nobody[material.split.days_of("validation", material.panel.days)] = False
    empty = replace(material, panel=replace(material.panel, eligible=nobody))

    with pytest.raises(InputError, match="No stock is in the universe on any validation day"):
        train_in_run(empty, NETWORK, TRAINING, runs)
