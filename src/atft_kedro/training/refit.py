"""Refit: the recipe of a finished run, trained again on all days."""

from pathlib import Path

from torch import nn

from ..files import parse_model, read_json_lines
from ..network.params import NetworkParams
from ..params import InputError
from .checkpoint import FIELDS_NOT_IN_IDENTITY, FINAL
from .engine import Trainer
from .params import TrainingParams
from .run_status import read_training
from .runs import MANIFEST, METRICS, Runs, read_manifest


class RefitTrainer(Trainer):
    """The training loop of a refit, which has no validation days.

    The validation scores of the recipe's run choose the epoch of the best weights, lower the learning rate and end
    phases early, as they did in that run.
    """

    recipe_scores: list[dict[str, float]]  # of each epoch, then those of the SWA weights if there were any

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return the scores that the recipe's run had at this epoch."""
        return self.recipe_scores[len(self.progress.history)]


def read_recipe(training: TrainingParams, panel: str, runs: Runs) -> tuple[NetworkParams, TrainingParams]:
    """Read the parameters of the run to refit, except those that a resumed run may change.

    A run that is not finished, or that was trained on another panel than ``panel``, is refused.
    """
    folder = runs.find(str(training.refit_of))
    recipe, manifest = read_training(folder), read_manifest(folder)
    if not all((folder / recipe.member_folder(seed) / FINAL).exists() for seed in recipe.all_seeds):
        raise InputError(f"Run {folder.name} is not finished. Resume it before its refit.")
    if recipe.refit_of is not None:
        raise InputError(f"Run {folder.name} is itself a refit, of run {recipe.refit_of}.")
    if manifest["panel"] != panel:
        raise InputError(f"Run {folder.name} was trained on panel {manifest['panel']}, and the panel is now {panel}.")
    kept = {name: getattr(training, name) for name in FIELDS_NOT_IN_IDENTITY}
    network = parse_model(manifest["network"], NetworkParams, folder / MANIFEST)
    return network, recipe.model_copy(update={**kept, "refit_of": folder.name})


def read_validation_scores(folder: Path, seed: int) -> list[dict[str, float]]:
    """Read the validation scores of all epochs of a seed, then those of its SWA weights."""
    lines = [line for line in read_json_lines(folder / METRICS, '"seed"') if line["seed"] == seed]
    epochs = [line["validation"] for line in lines if "validation" in line]
    return [*epochs, *(line["swa"] for line in lines if "swa" in line)]


def require_own_scores(folder: Path) -> None:
    """Refuse to score a refit, which has learned from all days."""
    if (recipe := read_training(folder).refit_of) is not None:
        raise InputError(
            f"Run {folder.name} has learned from all days. Its scores are those of its recipe, run {recipe}."
        )
