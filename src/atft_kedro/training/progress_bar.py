"""A progress bar on the terminal: phase, epoch, step, time left and the last validation score."""

import sys
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor

from .engine import Callback, Trainer


@dataclass
class ProgressBar(Callback):
    """Progress bar of a training."""

    console: Console = field(default_factory=lambda: Console(stderr=True))
    _bar: Progress | None = None
    _task: TaskID | None = None
    _score: str = "-"

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> None:
        """Update the bar; create it at the first step."""
        done = trainer.planned_steps_done
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[score]}"),
                console=self.console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=trainer.total_steps, completed=done, score="-")
            self._bar.start()
        assert self._task is not None
        epoch, epochs = trainer.progress.epoch + 1, trainer.epochs_per_phase[trainer.progress.phase]
        description = f"{trainer.phase.name} {epoch}/{epochs}"
        self._bar.update(self._task, completed=done, description=description, score=self._score)

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Store the score for the next update."""
        selection = trainer.params.selection
        self._score = f"{selection.label} {selection.score(scores):.4f} (best {trainer.progress.best:.4f})"

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def progress_callbacks() -> list[Callback]:
    """Return a progress bar if the output is a terminal."""
    return [ProgressBar()] if sys.stderr.isatty() else []
