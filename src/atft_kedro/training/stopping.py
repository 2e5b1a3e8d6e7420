"""How a training is asked to stop: a signal, or a file in the run folder."""

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

POLITE = (signal.SIGTERM, signal.SIGINT)
_logger = logging.getLogger(__name__)


@dataclass
class SignalListener(Callback):
    """Asks for a stop once a signal has come."""

    has_heard: bool = False

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> bool:
        """Say what was heard."""
        return self.has_heard


@contextmanager
def listen_for_signals() -> Iterator[SignalListener]:
    """Listen to signals while a network trains; afterwards whoever listened before does so again."""
    listener = SignalListener()
    if threading.current_thread() is not threading.main_thread():
        yield listener
        return
    heard: list[int] = []
    before = {number: signal.getsignal(number) for number in POLITE}

    def hear(number: int, frame: FrameType | None) -> None:
        listener.has_heard = True
        for each in POLITE:
            signal.signal(each, before[each])
        heard.append(number)
        _logger.warning("%s: stopping after this step, with a checkpoint", signal.Signals(number).name)

    for number in POLITE:
        signal.signal(number, hear)
    try:
        yield listener
    finally:
        for number in POLITE:
            signal.signal(number, before[number])
    for late in heard:  # too late for a step to see
        signal.raise_signal(late)


@dataclass
class StopFile(Callback):
    """Asks for a stop when an empty file of that name lies in the folder."""

    folder: Path

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> bool:
        """Look."""
        return (self.folder / STOP_FILE).exists()

    def at_stop(self, trainer: Trainer) -> None:
        """Take it away, so that the run can go on."""
        (self.folder / STOP_FILE).unlink(missing_ok=True)
