"""Checkpoints: everything that a training is, written whole, read strictly and without running anything."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..disk import written_whole
from ..params import InputError

Tree = dict[str, Any]


@dataclass
class Progress:
    """Where a training stands."""

    phase: int = 0
    epoch: int = 0  # of the phase
    step: int = 0  # of the epoch
    steps: int = 0  # of the whole training
    best: float = -1.0  # validation rank IC
    since_best: int = 0  # epochs of this phase
    rate: float = 1.0  # what `plateau` has left of the learning rate
    averaged: int = 0  # epochs in the average of the last ones
    loss: float = 0.0  # on average over the last epoch's steps
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Identity:
    """What a checkpoint may be loaded into."""

    catalogue: str
    panel: str
    params: str  # the training's and the network's, as JSON


def write_checkpoint(path: Path, tree: Tree) -> None:
    """Write it whole and to the disk."""
    with written_whole(path) as partial, partial.open("wb") as file:
        torch.save(tree, file)
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(path: Path, identity: Identity) -> Tree:
    """Read a checkpoint that belongs to ``identity``."""
    if not path.exists():
        raise InputError(f"There is no checkpoint at {path}.")
    try:
        tree: Tree = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"{path} is no checkpoint that can be read safely: {str(error).splitlines()[0]}") from error
    for name, mine in vars(identity).items():
        theirs = tree.get("identity", {}).get(name)
        if theirs != mine:
            raise InputError(f"{path} was made with another {name}: {_shown(theirs)} instead of {_shown(mine)}.")
    return tree


def _shown(value: object, most: int = 200) -> str:
    text = str(value)
    return text if len(text) <= most else text[:most] + "…"
