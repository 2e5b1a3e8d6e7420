"""Write the configuration of a trial into a file of an environment, with its origin."""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from ..dotted_paths import select_differing_values, set_value
from ..files import atomic_write
from ..network.params import NetworkParams
from ..params import InputError
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY
from ..training.params import TrainingParams
from .confirmation import Confirmation
from .promoted_file import PROMOTED_FILE, add_digest, is_unedited
from .report import format_verdict
from .space import LENGTH_AND_SEEDS, apply_values
from .study import StudySpec
from .study_status import StudyStatus, TrialSummary

BLOCKS = ("network", "training")
ENVIRONMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
NOT_PROMOTED = {*FIELDS_NOT_IN_IDENTITY, *LENGTH_AND_SEEDS}


def require_environment_name(environment: str) -> None:
    """Refuse a name that no environment, or only ``base``, can have."""
    if not ENVIRONMENT_NAME.fullmatch(environment) or environment == "base":
        raise InputError(f"A trial cannot be promoted to the environment {environment!r}: choose a name such as best.")


def select_trial(status: StudyStatus, number: int | None) -> TrialSummary:
    """Return the trial of that number, or the best one; refuse one that is not complete."""
    if number is None:
        if status.best_trial is None:
            raise InputError(f"No trial of the study {status.study} is complete.")
        return status.best_trial
    trial = next((trial for trial in status.trials if trial.number == number), None)
    if trial is None or trial.state != "complete":
        reason = "it does not exist" if trial is None else f"it is {trial.state}"
        raise InputError(f"Trial {number} of the study {status.study} cannot be promoted: {reason}.")
    return trial


def format_promotion(
    status: StudyStatus,
    spec: StudySpec,
    trial: TrialSummary,
    lower_params: Sequence[tuple[NetworkParams, TrainingParams]],
    confirmation: Confirmation | None,
) -> str:
    """Format the file of a trial: origin, and values that differ from any ``lower_params``.

    ``lower_params`` are those that the file's environment can be merged over.
    """
    trained = apply_values(trial.params, spec.network, spec.training)
    tree = select_differing_values(_dump(*trained), [_dump(*params) for params in lower_params])
    for path, value in trial.params.items():
        set_value(tree, path, value)
    comments = (
        f"Trial {trial.number} of the study {status.study}, promoted on {date.today()}: validation",
        f"{spec.training.selection.label} {trial.score:.4f} after {trial.epochs} epochs; one of "
        f"{status.scored_trials} scored",
        f"trials on the panel {spec.panel}.",
        format_confirmation(confirmation, trial),
        "If you edit this file, remove the digest: the values are no longer those of the trial.",
    )
    return add_digest(comments, yaml.safe_dump(tree, sort_keys=False))


def format_confirmation(confirmation: Confirmation | None, trial: TrialSummary) -> str:
    """Format the result of retraining a trial with new seeds."""
    if confirmation is None or confirmation.gain is None or confirmation.params != trial.params:
        return "Not retrained with new seeds: the best score of many trials is biased upwards."
    return f"Retrained, {format_verdict(confirmation)}."


def _dump(network: NetworkParams, training: TrainingParams) -> dict[str, Any]:
    return {
        "network": network.model_dump(mode="json"),
        "training": training.model_dump(mode="json", exclude=NOT_PROMOTED),
    }


def save_promotion(folder: Path, text: str, *, force: bool) -> Path:
    """Write the file into the folder of an environment; change no other file."""
    for other in sorted(folder.glob("**/parameters*.y*ml")):
        blocks = [block for block in BLOCKS if block in (yaml.safe_load(other.read_text()) or {})]
        if blocks and other.name != PROMOTED_FILE:
            raise InputError(
                f"{other} sets {' and '.join(blocks)}, and Kedro reads a block from one file of an environment only: "
                "name another environment."
            )
    path = folder / PROMOTED_FILE
    if path.exists() and not force:
        edited = "" if is_unedited(path) else " and was edited since"
        raise InputError(f"{path} exists{edited}; --force overwrites it.")
    with atomic_write(path) as partial:
        partial.write_text(text)
    return path
