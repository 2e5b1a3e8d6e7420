"""Control of a training process: its heartbeat file, and requests to stop it by a file or a signal."""

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from types import FrameType

import numpy as np
from torch import Tensor

from ..files import atomic_write
from .engine import Callback, Trainer
from .runs import HEARTBEAT, STOP_FILE
from .telemetry import read_devices, read_memory

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_logger = logging.getLogger(__name__)


@dataclass
class Heartbeat(Callback):
    """Heartbeat file with the process, position, speed and memory of a training."""

    folder: Path
    every: float = 1.0  # shortest time between two writes after steps, in seconds
    seeds_after: int = 0  # number of seeds that are trained after this one
    memory_at_start: Mapping[str, float] = field(default_factory=dict)  # of this process, before the training
    _started: float = field(default_factory=time.time)
    _written_at: float = 0.0
    _steps_before: int | None = None  # steps of the training before this process
    _scores: dict[str, float] = field(default_factory=dict)

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> None:
        """Write the heartbeat at most once per ``every`` seconds."""
        if self._steps_before is None:
            self._steps_before = trainer.progress.steps_done - 1
        if time.time() - self._written_at >= self.every:
            self._write(trainer, "training")

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write the scores of the epoch."""
        self._scores = scores
        self._write(trainer, "training")

    def on_interrupt(self, trainer: Trainer) -> None:
        """Write that the training has stopped."""
        self._write(trainer, "stopped")

    def after_fit(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write that the training is done, unless other seeds follow."""
        self._write(trainer, "training" if self.seeds_after else "done")

    def _write(self, trainer: Trainer, state: str) -> None:
        self._written_at = time.time()
        steps = trainer.progress.steps_done - (self._steps_before or 0)
        rate = steps / max(self._written_at - self._started, 1e-9)
        steps_left = (1 + self.seeds_after) * trainer.total_steps - trainer.planned_steps_done
        record = {
            **describe_position(trainer),
            "state": state,
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "time": self._written_at,
            "steps_per_epoch": trainer.steps_per_epoch[trainer.progress.phase],
            "seeds_after": self.seeds_after,
            "epochs_of_phase": trainer.epochs_per_phase[trainer.progress.phase],
            "total_steps": trainer.total_steps,
            "steps_per_second": rate,
            "seconds_left": 0.0 if state == "done" else steps_left / rate if rate else None,
            "validation": self._scores,
            **self.memory_at_start,
            **read_memory(trainer.train_step.device),
            **read_devices(trainer.train_step.device),
        }
        with atomic_write(self.folder / HEARTBEAT) as partial:
            partial.write_text(json.dumps(record))


def describe_position(trainer: Trainer) -> dict[str, object]:
    """Describe the position of a training: seed, phase, epoch, step and best score."""
    progress, selection = trainer.progress, trainer.params.selection
    return {
        "seed": trainer.params.seed,
        "phase": trainer.phase.name,
        "epoch": progress.epoch,
        "step_of_epoch": progress.step_of_epoch,
        "epochs": len(progress.history),
        "steps": progress.steps_done,
        "metric": selection.label,
        "score": _none_if_nan(selection.score(progress.history[-1])) if progress.history else None,
        "best": _none_if_nan(progress.best),
        "best_weights": progress.best_weights,
    }


def _none_if_nan(score: float | None) -> float | None:
    """Replace an undefined score by null, which JSON and the readers of the file allow."""
    return None if score is None or isnan(score) else score


@dataclass
class StopFile(Callback):
    """Stop request by an empty file in the run folder."""

    folder: Path

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> bool:
        """Return whether the file exists."""
        return (self.folder / STOP_FILE).exists()

    def on_interrupt(self, trainer: Trainer) -> None:
        """Remove the file, so that the run can be resumed."""
        (self.folder / STOP_FILE).unlink(missing_ok=True)


@dataclass
class StopSignal(Callback):
    """Stop request by a signal."""

    is_received: bool = False

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> bool:
        """Return whether a signal was received."""
        return self.is_received


@contextmanager
def receive_stop_signals() -> Iterator[StopSignal]:
    """Receive SIGTERM and Ctrl-C as requests to stop after the step.

    A second signal ends the process at once. On exit the previous handlers are restored, and a signal that came
    after the last step is raised again.
    """
    callback = StopSignal()
    if threading.current_thread() is not threading.main_thread():
        yield callback
        return
    received: list[int] = []
    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def restore_handlers() -> None:
        """Restore the previous signal handlers."""
        for number, handler in previous.items():
            signal.signal(number, handler)

    def request_stop(number: int, frame: FrameType | None) -> None:
        """Request a stop; the next signal goes to the previous handler."""
        callback.is_received = True
        restore_handlers()
        received.append(number)
        _logger.warning("%s: stopping after this step, with a checkpoint", signal.Signals(number).name)

    for number in STOP_SIGNALS:
        signal.signal(number, request_stop)
    try:
        yield callback
    finally:
        restore_handlers()
    for unseen in received:
        signal.raise_signal(unseen)
