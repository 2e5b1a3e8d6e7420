"""Checkpoints: the whole state of a training, written atomically and read strictly."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..dotted import diff
from ..files import atomic_write
from ..network.params import NetworkParams
from ..params import InputError
from .data import TrainingData
from .params import TrainingParams

Tree = dict[str, Any]


@dataclass(frozen=True)
class Identity:
    """What a checkpoint may be loaded into."""

    feature_hash: str
    panel: str
    params: str  # the training's and the network's, as JSON
    training_data: str = ""  # hash of the graphs and of the split

    def require_same(self, path: Path, theirs: Mapping[str, object]) -> None:
        """Refuse what was made of something else, and say of what."""
        for name, mine in vars(self).items():
            if theirs.get(name) != mine and (said := _differ(theirs.get(name), mine)):
                raise InputError(f"{path} was made with another {name}: {said}.")


def _differ(theirs: object, mine: object, most: int = 200) -> str:
    """Show two values, of JSON only the keys whose values differ; null is what nobody spoke of when it was made."""
    try:
        trees = [json.loads(str(each)) for each in (theirs, mine)]
    except ValueError:
        trees = []
    if not trees or not all(isinstance(tree, dict) for tree in trees):  # a digest may look like a number
        return f"{str(theirs)[:most]} instead of {str(mine)[:most]}"
    changes = diff(*trees)
    return "; ".join(f"{path} = {old} instead of {new}" for path, (old, new) in changes.items())[: 4 * most]


def write_checkpoint(path: Path, tree: Tree) -> None:
    """Write it whole and to the disk."""
    with atomic_write(path) as partial, partial.open("wb") as file:
        try:
            torch.save(tree, file)
        except RuntimeError as error:  # torch's words for what the system said below
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(path: Path, identity: Identity) -> Tree:
    """Read a checkpoint that belongs to ``identity``."""
    if not path.exists():
        raise InputError(f"There is no checkpoint at {path}.")
    try:
        tree: Tree = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and zip have no common error for bytes that are cut, foreign or malicious
        raise InputError(f"{path} is no checkpoint that can be read safely: {str(error).splitlines()[0]}") from error
    identity.require_same(path, tree.get("identity", {}))
    return tree


def get_random() -> Tree:
    """Write down where this process's random numbers stand."""
    gpu = {"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {}
    return {"cpu": torch.get_rng_state(), **gpu}


def set_random(state: Tree) -> None:
    """Bring this process's random numbers back to where they stood."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


FIELDS_NOT_IN_IDENTITY = (
    "resume",
    "nan_budget",
    "collapse",
    "keep_epochs",
    "log_every",
    "scored_share",
    "device",
    "threads",
)


def make_identity(training_data: TrainingData, network: NetworkParams, training: TrainingParams) -> Identity:
    """Say what a checkpoint of this training may be loaded into: what decides its numbers, not how it is watched."""
    params = {
        "network": network.model_dump(mode="json"),
        "training": training.model_dump(mode="json", exclude=set(FIELDS_NOT_IN_IDENTITY)),
    }
    metadata = training_data.panel.metadata
    return Identity(metadata.feature_hash, training_data.panel.identity, json.dumps(params), training_data.digest)
