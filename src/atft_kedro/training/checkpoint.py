"""Checkpoints: the whole state of a training, written atomically and read strictly."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..dotted_paths import compare_trees
from ..files import atomic_write
from ..network.params import NetworkParams
from ..params import InputError
from .data import TrainingData
from .params import TrainingParams

Tree = dict[str, Any]

LAST, BEST, FINAL, SWA, EPOCHS = "last.pt", "best.pt", "final.pt", "swa.pt", "checkpoints"  # files; a folder
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
DIFFERENCES = {  # by field of the identity
    "feature_hash": "other features",
    "panel": "another panel",
    "params": "other parameters",
    "graphs_and_split": "other graphs or another split",
}
MAX_LENGTH = 800  # characters of a difference in a message


@dataclass(frozen=True)
class Identity:
    """The features, data and parameters that a checkpoint belongs to."""

    feature_hash: str
    panel: str
    params: str  # parameters of the training and the network, as JSON
    graphs_and_split: str = ""  # hash of the graphs and the split

    def require_same(self, path: Path, stored: Mapping[str, object]) -> None:
        """Refuse a checkpoint or run that belongs to something else, and say what differs."""
        for name, own in vars(self).items():
            other = stored.get(name)
            if other != own and (difference := _format_difference(other, own)):
                raise InputError(f"{path} was trained with {DIFFERENCES[name]}: {difference}.")


def make_identity(training_data: TrainingData, network: NetworkParams, training: TrainingParams) -> Identity:
    """Create the identity of a training from everything that its results depend on."""
    params = {
        "network": network.model_dump(mode="json"),
        "training": training.model_dump(mode="json", exclude=set(FIELDS_NOT_IN_IDENTITY)),
    }
    panel = training_data.panel
    return Identity(panel.metadata.feature_hash, panel.identity, json.dumps(params), training_data.digest)


def _format_difference(stored: object, own: object) -> str:
    """Format two values, or the paths that differ between two JSON objects.

    A missing path equals null. Returns an empty text if nothing differs.
    """
    try:
        trees = [json.loads(str(value)) for value in (stored, own)]
    except ValueError:
        trees = []
    if not trees or not all(isinstance(tree, dict) for tree in trees):  # a hash may be valid JSON: a number
        return f"{str(stored)[: MAX_LENGTH // 4]} instead of {str(own)[: MAX_LENGTH // 4]}"
    changes = compare_trees(*trees)
    return "; ".join(f"{path} = {old} instead of {new}" for path, (old, new) in changes.items())[:MAX_LENGTH]


def write_checkpoint(path: Path, tree: Tree) -> None:
    """Write a checkpoint atomically and flush it to the disk."""
    with atomic_write(path) as partial, partial.open("wb") as file:
        try:
            torch.save(tree, file)
        except RuntimeError as error:  # torch hides the system's error in the context
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(path: Path, identity: Identity) -> Tree:
    """Read a checkpoint without running code; refuse one of another identity."""
    if not path.exists():
        raise InputError(f"There is no checkpoint at {path}.")
    try:
        tree: Tree = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and zip raise many classes for truncated, foreign or malicious bytes
        raise InputError(f"{path} is not a checkpoint that can be read safely: {str(error).splitlines()[0]}") from error
    with explain_other_version(path):
        identity.require_same(path, tree["identity"])
    return tree


@contextmanager
def explain_other_version(path: Path) -> Iterator[None]:
    """Turn an error about a checkpoint's keys or shapes into an `InputError`."""
    try:
        yield
    except (InputError, torch.OutOfMemoryError):
        raise
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_LENGTH]
        raise InputError(f"{path} was written by another version of this project ({reason}).") from error


def get_random_state() -> Tree:
    """Return the state of the random number generators of this process."""
    gpu = {"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {}
    return {"cpu": torch.get_rng_state(), **gpu}


def set_random_state(state: Tree) -> None:
    """Restore the state of the random number generators of this process."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
