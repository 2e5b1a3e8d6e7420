"""The interface to an experiment tracker, and the callback that logs a training to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .engine import Callback, Trainer


class Tracker(Protocol):
    """An experiment tracker; its methods must not fail when its server is unavailable."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the tracked run."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log numbers."""

    def log_file(self, file: Path, folder: str) -> None:
        """Copy a file into a folder of the tracked run."""

    def log_text(self, text: str, name: str) -> None:
        """Write a text as a file of that name."""


class NoTracker:
    """A tracker that does nothing."""

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Do nothing."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Do nothing."""

    def log_file(self, file: Path, folder: str) -> None:
        """Do nothing."""

    def log_text(self, text: str, name: str) -> None:
        """Do nothing."""


NO_TRACKER = NoTracker()


@dataclass
class TrackerLog(Callback):
    """Callback that logs each epoch's scores and, at the end, files of the run to a tracker.

    When a run is resumed with a tracker that does not know it, the scores of all earlier epochs are logged too.
    """

    tracker: Tracker
    prefix: str  # of the names of metrics; names the seed if several are trained
    seed_files: tuple[Path, ...]
    run_files: tuple[Path, ...]
    n_logged: int = 0  # number of epochs whose scores are logged

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Log validation scores, and the train loss and scores."""
        history = trainer.progress.history
        for epoch in range(self.n_logged, len(history)):
            validation = {f"{self.prefix}validation/{name}": value for name, value in history[epoch].items()}
            self.tracker.log_metrics(validation, epoch + 1)
        self.n_logged = len(history)
        values = {
            "train/loss": trainer.progress.train_loss,
            **{f"train/{name}": value for name, value in trainer.train_scores.items()},
            "phase": float(trainer.progress.phase),
            "learning_rate": trainer.train_step.learning_rate,
        }
        self.tracker.log_metrics({f"{self.prefix}{name}": value for name, value in values.items()}, self.n_logged)

    def after_fit(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Log the best weights and the files of the run."""
        for folder, files in ((self.prefix.rstrip("/"), self.seed_files), ("", self.run_files)):
            for file in files:
                if file.exists():
                    self.tracker.log_file(file, folder)

    def on_interrupt(self, trainer: Trainer) -> None:
        """Log the files that exist."""
        self.after_fit(trainer, {})
