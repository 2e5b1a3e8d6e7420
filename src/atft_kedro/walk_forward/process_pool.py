"""Run tasks in separate processes, some at a time; a task that fails or dies does not stop the others."""

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
from ..plugins import list_permitted, permit_plugins

MAX_REASON = 2000  # characters, so that a reason fits into the pipe before it is read

_logger = logging.getLogger(__name__)
_context = get_context("spawn")  # a fork would copy threads that torch and Polars have started


@dataclass(frozen=True)
class Task:
    """A function call for a separate process, and the file of its output."""

    name: str
    function: Callable[..., None]
    arguments: tuple[Any, ...]
    log: Path


@dataclass(frozen=True)
class TaskResult:
    """How a task ended; ``reason`` is None if it succeeded."""

    seconds: float
    reason: str | None


def run_tasks(
    tasks: Sequence[Task], processes: int, on_end: Callable[[Task, TaskResult], None]
) -> dict[str, TaskResult]:
    """Run every task, at most ``processes`` at once; call ``on_end`` as each ends.

    If this process is terminated, it terminates the tasks and waits for them; a second signal kills them.
    """
    waiting, running, results = deque(tasks), dict[int, _RunningTask](), dict[str, TaskResult]()
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                started = _RunningTask(waiting.popleft())
                running[started.process.sentinel] = started
            for sentinel in wait(list(running)):
                assert isinstance(sentinel, int)
                ended = running.pop(sentinel)
                results[ended.task.name] = ended.finish()
                on_end(ended.task, results[ended.task.name])
    finally:
        _terminate(list(running.values()))
    return results


@dataclass
class _RunningTask:
    """A task with its process."""

    task: Task
    started: float = field(default_factory=time.monotonic)
    process: SpawnProcess = field(init=False)
    receiver: Connection = field(init=False)  # of the reason of a failure

    def __post_init__(self) -> None:
        self.receiver, sender = _context.Pipe(duplex=False)
        self.process = _context.Process(target=_run, args=(self.task, sender, list_permitted()), name=self.task.name)
        self.process.start()
        sender.close()
        _logger.info("%s starts (process %d, log %s)", self.task.name, self.process.pid, self.task.log)

    def finish(self) -> TaskResult:
        """Wait for the process to end and return its result."""
        self.process.join()
        with self.receiver:
            reason = self._find_reason()
        return TaskResult(time.monotonic() - self.started, reason)

    def _find_reason(self) -> str | None:
        code = self.process.exitcode
        if code == 0:
            return None
        if self.receiver.poll():
            with suppress(EOFError):  # it ended before it sent a reason
                return str(self.receiver.recv())
        if code == os.EX_TEMPFAIL:
            return "stopped before its end, with a checkpoint"
        if code == -signal.SIGKILL:
            return "killed by SIGKILL, which the system sends when memory runs out"
        return f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"


def _terminate(running: Sequence[_RunningTask]) -> None:
    """Terminate the processes that still run, and wait for them."""
    try:
        for started in running:
            _logger.warning("terminating %s", started.task.name)
            started.process.terminate()
        for started in running:
            started.process.join()
    finally:
        for started in running:
            started.process.kill()


def _run(task: Task, sender: Connection, permitted: list[str]) -> None:
    """Run a task in its own process; send the reason if it fails."""
    os.setpgid(0, 0)  # Ctrl-C in a terminal then reaches the first process only, which passes it on
    threading.Thread(target=_terminate_with_parent, daemon=True).start()
    permit_plugins(permitted)
    try:
        _redirect_output(task.log)
        task.function(*task.arguments)
    except Exception as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        sender.send(f"{kind}{error}"[:MAX_REASON])
        raise


def _terminate_with_parent() -> None:
    """Terminate this process when its parent has ended for any reason."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _redirect_output(log: Path) -> None:
    """Append the output and the log of this process to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    logging.basicConfig(format=FORMAT, datefmt=TIME, level=logging.INFO, force=True)
