"""Refits: the recipe of a finished run, trained again on all days."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from atft_kedro.network.params import NetworkParams
from atft_kedro.params import InputError
from atft_kedro.training.checkpoint import BEST, FINAL
from atft_kedro.training.data import TrainingData
from atft_kedro.training.engine import Callback, Trainer
from atft_kedro.training.initial_weights import find_learned_until
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.refit import read_validation_scores, require_own_scores
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import Runs, read_manifest
from factories.params import make_params

NETWORK = make_params(NetworkParams, hidden_size=8, heads=2, layers=1, fan_channels=4, selection_size=4)
PHASES = [
    {"name": "one", "epochs": 3, "learning_rate": 3e-2},
    {"name": "two", "epochs": 4, "learning_rate": 3e-2, "start_from": "best", "patience": 2, "scheduler": "plateau"},
]
RECIPE = make_params(TrainingParams, phases=PHASES, plateau={"patience": 1}, days_per_block=32, scored_share=0.0)
REFIT = make_params(TrainingParams)  # the recipe's run decides its parameters


class TrainDays(Callback):
    """Stores the days of all steps."""

    def __init__(self) -> None:
        self.days: set[int] = set()

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, torch.Tensor]) -> None:
        assert float(terms["skipped"]) == 0
        self.days |= {int(day) for block in days for day in block if day >= 0}


@pytest.fixture(scope="module")
def recipe(training_data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = Runs(tmp_path_factory.mktemp("runs"), commit="abc", is_dirty=True)
    return runs.find(train_in_run(training_data, NETWORK, RECIPE, runs).run)


def refit(training_data: TrainingData, recipe: Path, watch: TrainDays, resume: str | None = None) -> Path:
    runs = Runs(recipe.parent, commit="abc", is_dirty=True)
    training = REFIT.model_copy(update={"refit_of": recipe.name, "resume": resume})
    return runs.find(train_in_run(training_data, make_params(NetworkParams), training, runs, callbacks=[watch]).run)


def read_progress(folder: Path) -> dict[str, object]:
    progress: dict[str, object] = torch.load(folder / FINAL, weights_only=True)["progress"]
    return progress


def test_a_refit_learns_from_every_day_with_a_label_and_decides_as_its_recipe(
    training_data: TrainingData, recipe: Path
) -> None:
    watch, panel = TrainDays(), training_data.panel
    folder = refit(training_data, recipe, watch)

    first = training_data.split.indices_of("train", panel.days)[0]
    newest = int(torch.nonzero(panel.targets.isfinite().any(1)[panel.row_of.long()].any(1)).max())
    eligible = torch.nonzero(panel.eligible.any(1)).flatten().tolist()
    assert watch.days == {day for day in eligible if first <= day <= newest}
    assert find_learned_until(read_manifest(folder)) == panel.days[newest].item()
    own, recorded = read_progress(folder), read_progress(recipe)
    assert [own[name] for name in ("best", "best_epoch", "best_weights", "rate_factor")] == [
        recorded[name] for name in ("best", "best_epoch", "best_weights", "rate_factor")
    ]
    assert read_validation_scores(folder, 7) == read_validation_scores(recipe, 7)
    assert refit(training_data, recipe, watch, resume=folder.name) == folder
    assert read_manifest(folder)["training"]["phases"] == read_manifest(recipe)["training"]["phases"]
    with pytest.raises(InputError, match=f"Its scores are those of its recipe, run {recipe.name}"):
        require_own_scores(folder)
    require_own_scores(recipe)
    assert read_manifest(folder)["network"] == read_manifest(recipe)["network"]


def test_on_the_days_of_the_recipe_a_refit_has_the_same_weights(
    training_data: TrainingData, recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingData, "train_on_all_days", lambda data: data)

    folder = refit(training_data, recipe, TrainDays())

    own, recorded = (torch.load(path / BEST, weights_only=True)["best"] for path in (folder, recipe))
    assert all(weight.equal(recorded[name]) for name, weight in own.items())


def test_only_a_finished_run_of_the_same_panel_is_fitted_again(training_data: TrainingData, recipe: Path) -> None:
    again = refit(training_data, recipe, TrainDays())
    with pytest.raises(InputError, match=f"Run {again.name} is itself a refit, of run {recipe.name}"):
        refit(training_data, again, TrainDays())
    other = replace(training_data, panel=replace(training_data.panel, identity="other"))
    with pytest.raises(InputError, match=f"Run {recipe.name} was trained on panel .*, and the panel is now other"):
        refit(other, recipe, TrainDays())
    (recipe / FINAL).rename(recipe / "hidden")
    with pytest.raises(InputError, match=f"Run {recipe.name} is not finished. Resume it before its refit."):
        refit(training_data, recipe, TrainDays())
    (recipe / "hidden").rename(recipe / FINAL)
