"""What an experiment tracker is told of a training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .engine import Callback, Trainer


class Tracker(Protocol):
    """Where experiments are reviewed; it may be gone at any time, and must not mind."""

    def tag(self, tags: Mapping[str, str]) -> None:
        """Say what a run is made of."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Write numbers down."""

    def keep(self, file: Path, folder: str) -> None:
        """Keep a file, in a folder of the run's."""

    def write(self, text: str, name: str) -> None:
        """Keep a text, as a file of that name."""


class NoTracker:
    """Tells nobody."""

    def tag(self, tags: Mapping[str, str]) -> None:
        """Say nothing."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Say nothing."""

    def keep(self, file: Path, folder: str) -> None:
        """Keep nothing."""

    def write(self, text: str, name: str) -> None:
        """Keep nothing."""


NO_TRACKER = NoTracker()


@dataclass
class Tracking(Callback):
    """Tells a tracker each epoch's scores and, at the end, the files worth keeping.

    Where a training goes on, a tracker that is new to it is told the epochs before, so that it knows the whole.
    """

    tracker: Tracker
    seed: str  # before each metric's name, where several seeds are trained
    own: tuple[Path, ...]  # files of this seed
    shared: tuple[Path, ...]  # and of the run
    told: int = 0  # epochs

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Log validation scores, and the train loss and scores."""
        history = trainer.progress.history
        for epoch in range(self.told, len(history)):
            validated = {f"{self.seed}validation/{name}": value for name, value in history[epoch].items()}
            self.tracker.log(validated, epoch + 1)
        self.told = len(history)
        numbers = {
            "train/loss": trainer.progress.loss,
            **{f"train/{name}": value for name, value in trainer.train_scores.items()},
            "phase": float(trainer.progress.phase),
            "learning_rate": trainer.train_step.rate,
        }
        self.tracker.log({f"{self.seed}{name}": value for name, value in numbers.items()}, self.told)

    def at_end(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Keep the best weights and what was written on the way."""
        self._keep()

    def at_stop(self, trainer: Trainer) -> None:
        """Keep what there is."""
        self._keep()

    def _keep(self) -> None:
        for folder, files in ((self.seed.rstrip("/"), self.own), ("", self.shared)):
            for file in (each for each in files if each.exists()):
                self.tracker.keep(file, folder)
