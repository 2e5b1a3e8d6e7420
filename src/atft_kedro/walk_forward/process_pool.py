"""Work in processes of its own, some at a time: one that dies is told of, and the others go on."""

import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from ..logs import FORMAT, TIME

LONGEST = 2000  # characters of a reason, which has to fit into a pipe that nobody reads yet

_logger = logging.getLogger(__name__)
_context = get_context("spawn")  # a fork would copy threads that torch and Polars have started


@dataclass(frozen=True)
class Task:
    """A piece of work for a process, and the file of all that it says."""

    name: str
    work: Callable[..., None]
    arguments: tuple[Any, ...]
    log: Path


@dataclass(frozen=True)
class Ending:
    """How a piece of work ended; without a reason it is done."""

    seconds: float
    reason: str | None


def work_apart(tasks: Sequence[Task], processes: int, tell: Callable[[Task, Ending], None]) -> dict[str, Ending]:
    """Do every task, at most so many at once, and tell of each as it ends.

    When this process is asked to end, the others are too, and are waited for; a second time they are killed.
    """
    waiting, running, endings = deque(tasks), dict[int, _Running](), dict[str, Ending]()
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                begun = _Running(waiting.popleft())
                running[begun.process.sentinel] = begun
            for sentinel in wait(list(running)):
                assert isinstance(sentinel, int)
                ended = running.pop(sentinel)
                endings[ended.task.name] = ended.end()
                tell(ended.task, endings[ended.task.name])
    finally:
        _end(list(running.values()))
    return endings


@dataclass
class _Running:
    """A task that has begun."""

    task: Task
    started: float = field(default_factory=time.monotonic)
    process: SpawnProcess = field(init=False)
    heard: Connection = field(init=False)  # what the process says of its failure

    def __post_init__(self) -> None:
        self.heard, said = _context.Pipe(duplex=False)
        self.process = _context.Process(target=_work, args=(self.task, said), name=self.task.name)
        self.process.start()
        said.close()
        _logger.info("%s begins (process %d, see %s)", self.task.name, self.process.pid, self.task.log)

    def end(self) -> Ending:
        """See how it ended."""
        self.process.join()
        with self.heard:
            reason = self._reason()
        return Ending(time.monotonic() - self.started, reason)

    def _reason(self) -> str | None:
        code = self.process.exitcode
        if code == 0:
            return None
        if self.heard.poll():
            with suppress(EOFError):  # it had no time to say anything
                return str(self.heard.recv())
        if code == os.EX_TEMPFAIL:
            return "stopped before its end, with a checkpoint"
        if code == -signal.SIGKILL:
            return "killed by SIGKILL, as the system does when memory runs out"
        return f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"


def _end(running: Sequence[_Running]) -> None:
    """Ask what still runs to end, and wait for that."""
    try:
        for each in running:
            _logger.warning("%s: asked to stop", each.task.name)
            each.process.terminate()
        for each in running:
            each.process.join()
    finally:
        for each in running:
            each.process.kill()


def _work(task: Task, said: Connection) -> None:
    """Do a task in the process that was started for it."""
    os.setpgid(0, 0)  # a terminal's Ctrl-C reaches the first process only, which passes it on
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _write_into(task.log)
        task.work(*task.arguments)
    except Exception as error:  # whatever it is, who waits is told, and it is raised
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        said.send(f"{kind}{error}"[:LONGEST])
        raise


def _end_with_parent() -> None:
    """Stop as if asked to when the first process is gone, however it went."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _write_into(log: Path) -> None:
    """Let all that this process says go into a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    logging.basicConfig(format=FORMAT, datefmt=TIME, level=logging.INFO, force=True)
