"""A trial's configuration as a file of an environment, with where it came from."""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from ..dotted import select_changes, set_value
from ..files import atomic_write
from ..network.params import NetworkParams
from ..params import InputError
from ..training.params import TrainingParams
from .confirmation import Confirmation
from .file_digest import PROMOTED, claim, is_as_promoted
from .report import say_verdict
from .space import FIXED, put
from .study import Spec
from .study_status import Standing, TriedTrial

BLOCKS = ("network", "training")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
LENGTH = FIXED - {"phases", "phase_losses", "selection"}  # how long and by which seeds is trained is not searched


def require_name(environment: str) -> None:
    """Refuse what is no name of an environment that a trial can become."""
    if not NAME.fullmatch(environment) or environment == "base":
        raise InputError(f"{environment!r} cannot be promoted to: name an environment of your own, say best.")


def choose_trial(standing: Standing, number: int | None) -> TriedTrial:
    """Find the trial to promote: the best, or the one that is asked for."""
    if number is None:
        if standing.winner is None:
            raise InputError(f"No trial of the study {standing.study} was trained to its end.")
        return standing.winner
    asked = next((trial for trial in standing.trials if trial.number == number), None)
    if asked is None or asked.state != "complete":
        why = "there is none" if asked is None else f"it is {asked.state}"
        raise InputError(f"Trial {number} of the study {standing.study} cannot be promoted: {why}.")
    return asked


def write_promotion(
    standing: Standing,
    spec: Spec,
    trial: TriedTrial,
    lower: Sequence[tuple[NetworkParams, TrainingParams]],
    confirmation: Confirmation | None,
) -> str:
    """Write all by which a trial differs from any of what ``lower`` layers configure, and where it came from."""
    made = put(trial.chosen, spec.network, spec.training)
    tree = select_changes(_dump(made), [_dump(each) for each in lower])
    for path, value in trial.chosen.items():
        set_value(tree, path, value)
    body = yaml.safe_dump(tree, sort_keys=False)
    told = (
        f"Trial {trial.number} of the study {standing.study}, promoted on {date.today()}: validation",
        f"{spec.training.selection.label} {trial.score:.4f} after {trial.epochs} epochs, {standing.tried} tried,",
        f"on the panel {spec.panel}.",
        say_confirmed(confirmation, trial),
        "Whoever edits this file takes the digest out: then it is no longer that trial.",
    )
    return claim(told, body)


def say_confirmed(confirmation: Confirmation | None, trial: TriedTrial) -> str:
    """Write what came of training it again."""
    if confirmation is None or confirmation.gain is None or confirmation.chosen != trial.chosen:
        return "Not trained again with other seeds: its score is that of the best of many, and too high."
    return f"Trained again, {say_verdict(confirmation)}."


def _dump(configured: tuple[NetworkParams, TrainingParams]) -> dict[str, Any]:
    network, training = configured
    return {"network": network.model_dump(mode="json"), "training": training.model_dump(mode="json", exclude=LENGTH)}


def place_promotion(folder: Path, text: str, *, force: bool) -> Path:
    """Write the file into an environment's folder; no other file is touched."""
    for other in sorted(folder.glob("**/parameters*.y*ml")):
        sets = [block for block in BLOCKS if block in (yaml.safe_load(other.read_text()) or {})]
        if sets and other.name != PROMOTED:
            raise InputError(
                f"{other} sets {' and '.join(sets)}, and Kedro reads a block from one file of an environment only: "
                "name another environment."
            )
    path = folder / PROMOTED
    if path.exists() and not force:
        edited = "" if is_as_promoted(path) else ", which was edited by hand since"
        raise InputError(f"{path} exists{edited}; --force overwrites it.")
    with atomic_write(path) as partial:
        partial.write_text(text)
    return path
