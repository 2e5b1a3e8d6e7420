"""Requests to stop a training: a signal, or a file in the run folder."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
from torch import Tensor

from .engine import Callback, Trainer
from .runs import STOP_FILE

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_logger = logging.getLogger(__name__)


@dataclass
class StopFile(Callback):
    """Stop request by an empty file in the run folder."""

    folder: Path

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> bool:
        """Return whether the file exists."""
        return (self.folder / STOP_FILE).exists()

    def at_stop(self, trainer: Trainer) -> None:
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
