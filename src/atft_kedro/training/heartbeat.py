"""The heartbeat: who trains, where the training stands and when it will be done."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from ..disk import written_whole
from .engine import Callback, Trainer
from .runs import HEARTBEAT
from .telemetry import read_devices, read_memory


@dataclass
class Heartbeat(Callback):
    """Says who trains, where it stands and when it will be done."""

    folder: Path
    every: float = 1.0  # seconds
    following: int = 0  # seeds that are trained after this one
    at_start: Mapping[str, float] = field(default_factory=dict)  # what the process held before the training
    _started: float = field(default_factory=time.time)
    _said: float = 0.0
    _first: int | None = None
    _scores: dict[str, float] = field(default_factory=dict)

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> None:
        """Say it again when it is time."""
        if self._first is None:
            self._first = trainer.progress.steps - 1
        if time.time() - self._said >= self.every:
            self._say(trainer, "training")

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Say what the epoch gave."""
        self._scores = scores
        self._say(trainer, "training")

    def at_stop(self, trainer: Trainer) -> None:
        """Say that it has stopped."""
        self._say(trainer, "stopped")

    def at_end(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Say that it is done."""
        self._say(trainer, "training" if self.following else "done")

    def _say(self, trainer: Trainer, state: str) -> None:
        self._said = time.time()
        done = trainer.progress.steps - (self._first or 0)
        rate = done / max(self._said - self._started, 1e-9)
        left = (1 + self.following) * trainer.total_steps - trainer.steps_begun
        told = {
            **where(trainer),
            "state": state,
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "time": self._said,
            "steps_per_epoch": trainer.steps[trainer.progress.phase],
            "seeds_after": self.following,
            "epochs_of_phase": trainer.epochs[trainer.progress.phase],
            "total_steps": trainer.total_steps,
            "steps_per_second": rate,
            "seconds_left": 0.0 if state == "done" else left / rate if rate else None,
            "validation": self._scores,
            **self.at_start,
            **read_memory(trainer.learner.device),
            **read_devices(trainer.learner.device),
        }
        with written_whole(self.folder / HEARTBEAT) as partial:
            partial.write_text(json.dumps(told))


def where(trainer: Trainer) -> dict[str, object]:
    """Say where a training stands."""
    progress, selection = trainer.progress, trainer.params.selection
    return {
        "seed": trainer.params.seed,
        "phase": trainer.phase.name,
        "epoch": progress.epoch,
        "step_of_epoch": progress.step,
        "epochs": len(progress.history),
        "steps": progress.steps,
        "metric": selection.label,
        "score": selection.score(progress.history[-1]) if progress.history else None,
        "best": progress.best,
        "best_weights": progress.best_weights,
    }
