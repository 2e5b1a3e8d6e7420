"""Work for processes of their own, light enough to start in a moment."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from atft_kedro.walk_forward.process_pool import Ending, Task, work_apart


def wait_for(happens: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def note(folder: Path, name: str) -> None:
    """Leave a note, and say something."""
    sys.stdout.write(f"{name} says so\n")
    sys.stdout.flush()
    (folder / name).write_text(str(os.getpid()))


def refuse(folder: Path, name: str) -> None:
    raise RuntimeError(f"{name} cannot be done")


def die(folder: Path, name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stop(folder: Path, name: str) -> None:
    raise SystemExit(os.EX_TEMPFAIL)


def dawdle(folder: Path, name: str) -> None:
    """Work for ever, and tidy up when asked to end."""

    def end(number: int, frame: object) -> None:
        (folder / f"{name} ended").touch()
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    note(folder, name)
    time.sleep(600)


def rest(folder: Path, name: str) -> None:
    """Say when it was there."""
    (folder / f"{name} begins").write_text(str(time.time()))
    time.sleep(0.5)
    (folder / f"{name} ends").write_text(str(time.time()))


def tasks_of(folder: Path, *works: Callable[[Path, str], None]) -> list[Task]:
    return [
        Task(f"{work.__name__} {place}", work, (folder, f"{work.__name__} {place}"), folder / f"{place}.log")
        for place, work in enumerate(works)
    ]


def say_nothing(task: Task, ending: Ending) -> None:
    """Tell nobody."""


if __name__ == "__main__":
    work_apart(tasks_of(Path(sys.argv[1]), dawdle, dawdle), 2, say_nothing)
