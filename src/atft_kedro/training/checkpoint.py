"""Checkpoint files: written atomically, refused if they belong to other data or parameters."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..dotted_paths import compare_trees, flatten
from ..files import atomic_write
from ..network.params import NetworkParams
from ..params import InputError
from ..plugins import hash_plugins
from .data import TrainingData
from .params import TrainingParams

State = dict[str, Any]

LAST, BEST, FINAL, SWA = "last.pt", "best.pt", "final.pt", "swa.pt"
EPOCH_FOLDER = "checkpoints"
WEIGHTS = ("network", "ema", "swa", "best")  # keys of the weights in a checkpoint
FIELDS_NOT_IN_IDENTITY = (  # parameters of `training` that a resumed run may change
    "resume",
    "nan_budget",
    "collapse",
    "keep_epochs",
    "log_every",
    "scored_share",
    "device",
    "threads",
)
DIFFERENCE_TEXTS = {  # message for each field of `Identity`
    "feature_hash": "other features",
    "panel": "another panel",
    "params": "other parameters",
    "graphs_and_split": "other graphs or another split",
}
MAX_MESSAGE_LENGTH = 800  # characters of the differences in a message
MAX_VALUE_LENGTH = 200  # characters of one of the two values of a difference


@dataclass(frozen=True)
class Identity:
    """The features, data and parameters that a checkpoint belongs to."""

    feature_hash: str
    panel: str  # hash of the panel
    params: str  # parameters of the training and the network, as JSON
    graphs_and_split: str = ""  # hash of the graphs and the split

    def require_same(self, path: Path, stored: Mapping[str, object]) -> None:
        """Raise an error that names the difference if a checkpoint or run has another identity."""
        for name, expected in vars(self).items():
            found = stored.get(name)
            if found != expected and (difference := _format_difference(found, expected)):
                raise InputError(f"{path} was trained with {DIFFERENCE_TEXTS[name]}: {difference}.")


def make_identity(training_data: TrainingData, network: NetworkParams, training: TrainingParams) -> Identity:
    """Create the identity of a training from its data, parameters and plug-ins."""
    params = {
        "network": network.model_dump(mode="json", exclude_defaults=True),  # as older runs, which lack newer fields
        "training": training.model_dump(mode="json", exclude=set(FIELDS_NOT_IN_IDENTITY)),
    }
    if plugins := hash_plugins(params):
        params["plugins"] = plugins
    panel = training_data.panel
    return Identity(panel.metadata.feature_hash, panel.identity, json.dumps(params), training_data.digest)


def _format_difference(stored: object, expected: object) -> str:
    """Format two values, or the paths that differ between two JSON objects.

    A missing, null or empty value counts as equal. Returns an empty text if nothing differs.
    """
    try:
        trees = [json.loads(str(value)) for value in (stored, expected)]
    except ValueError:
        trees = []
    if not trees or not all(isinstance(tree, dict) for tree in trees):  # a hash of digits is a JSON number
        return f"{str(stored)[:MAX_VALUE_LENGTH]} instead of {str(expected)[:MAX_VALUE_LENGTH]}"
    changes = compare_trees(*trees)
    return "; ".join(f"{path} = {old} instead of {new}" for path, (old, new) in changes.items())[:MAX_MESSAGE_LENGTH]


def write_checkpoint(path: Path, state: State) -> None:
    """Write a checkpoint atomically and flush it to the disk."""
    with atomic_write(path) as partial, partial.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch keeps the OSError in `__context__`
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(path: Path, identity: Identity) -> State:
    """Read a checkpoint; refuse one of another identity."""
    state = load_checkpoint(path)
    identity.require_same(path, state["identity"])
    return state


def load_checkpoint(path: Path) -> State:
    """Read a checkpoint of any identity without unpickling objects."""
    if not path.exists():
        raise InputError(f"There is no checkpoint at {path}.")
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch and zip raise many classes for broken or other files
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path} is not a checkpoint that can be read safely: {reason}") from error
    if not isinstance(state, dict) or not isinstance(state.get("identity"), dict):
        raise make_version_error(path, ["identity"])
    return state


def require_same_structure(path: Path, state: State, expected: State) -> None:
    """Refuse a checkpoint whose keys or weight shapes differ from ``expected``."""
    found, wanted = (
        _list_structure({name: tree[name] for name in expected if name in tree}) for tree in (state, expected)
    )
    if different := sorted({name for name, _ in found ^ wanted}):
        raise make_version_error(path, different)


def _list_structure(state: State) -> set[tuple[str, object]]:
    """List what all checkpoints of a version share: their keys, and the names and shapes of the weights."""
    parts: State = dict.fromkeys(state)
    parts |= {name: state[name] for name in WEIGHTS if name in state}
    parts |= {name: dict.fromkeys(state[name]) for name in ("progress", "times") if name in state}
    parts |= {"processes": dict.fromkeys(state["processes"][0])} if state.get("processes") else {}
    parts |= {"optimizer": len(state["optimizer"].get("param_groups", ()))} if "optimizer" in state else {}
    return {(path, getattr(value, "shape", value)) for path, value in flatten(parts).items()}


def make_version_error(path: Path, keys: list[str]) -> InputError:
    """Create the error for a checkpoint with other keys."""
    listed = ", ".join(keys)[:MAX_MESSAGE_LENGTH]
    return InputError(f"{path} was written by another version of this project; different or missing: {listed}.")


def get_random_state() -> State:
    """Return the states of torch's generators of random numbers: of the CPU and the current GPU."""
    cuda_state = {"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {}
    return {"cpu": torch.get_rng_state(), **cuda_state}


def set_random_state(state: State) -> None:
    """Restore the states of torch's generators of random numbers."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
