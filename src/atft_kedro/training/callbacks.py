"""What happens at the loop's events: a log, a heartbeat, checkpoints, a stop."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from ..disk import written_whole
from .engine import Stop, Trainer
from .state import Identity, write_checkpoint

STOP_FILE, HEARTBEAT, METRICS, LAST, BEST = "stop", "heartbeat.json", "metrics.jsonl", "last.pt", "best.pt"


@dataclass
class MetricsLog:
    """Writes a line for each step and each epoch; a step's numbers are fetched when its epoch ends."""

    folder: Path
    _steps: list[tuple[int, dict[str, Tensor]]] = field(default_factory=list)

    def after_step(self, trainer: Trainer, terms: dict[str, Tensor]) -> None:
        """Keep a step's terms where they are."""
        self._steps.append((trainer.progress.steps, terms))

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write the epoch's steps and its scores."""
        lines: list[dict[str, object]] = [
            {"step": step, **{name: float(term) for name, term in terms.items()}} for step, terms in self._steps
        ]
        self._steps.clear()
        lines.append({**where(trainer), "validation": scores})
        with (self.folder / METRICS).open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


@dataclass
class Heartbeat:
    """Says who trains, where it stands and when it will be done."""

    folder: Path
    every: float = 1.0  # seconds
    _started: float = field(default_factory=time.time)
    _said: float = 0.0
    _first: int | None = None

    def after_step(self, trainer: Trainer, terms: dict[str, Tensor]) -> None:
        """Say it again when it is time."""
        if self._first is None:
            self._first = trainer.progress.steps - 1
        if time.time() - self._said >= self.every:
            self._say(trainer)

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Say what the epoch gave."""
        self._say(trainer, scores)

    def _say(self, trainer: Trainer, scores: dict[str, float] | None = None) -> None:
        self._said = time.time()
        done = trainer.progress.steps - (self._first or 0)
        rate = done / max(self._said - self._started, 1e-9)
        left = trainer.total_steps - trainer.progress.steps
        told = {
            **where(trainer),
            "pid": os.getpid(),
            "time": self._said,
            "steps_per_second": rate,
            "seconds_left": left / rate if rate else None,
            **({"validation": scores} if scores else {}),
        }
        with written_whole(self.folder / HEARTBEAT) as partial:
            partial.write_text(json.dumps(told))


@dataclass
class Checkpoints:
    """Writes the last epoch's state, and the best average's."""

    folder: Path
    identity: Identity

    def after_step(self, trainer: Trainer, terms: dict[str, Tensor]) -> None:
        """Stop after this step where that was asked for."""
        if (self.folder / STOP_FILE).exists():
            self.write(trainer, LAST)
            raise Stop

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write the epoch down."""
        self.write(trainer, LAST)
        if trainer.progress.since_best == 0:
            self.write(trainer, BEST)

    def write(self, trainer: Trainer, name: str) -> None:
        """Write everything, so that any checkpoint can be gone on from."""
        write_checkpoint(self.folder / name, {"identity": vars(self.identity), **trainer.state()})


def where(trainer: Trainer) -> dict[str, object]:
    """Say where a training stands."""
    progress = trainer.progress
    phase = trainer.params.phases[progress.phase]
    return {"phase": phase.name, "epoch": progress.epoch, "steps": progress.steps, "best": progress.best}
