"""Tasks for separate processes, small enough to start quickly."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from atft_kedro.export.champion import ChampionRecord, Promotion, update_record
from atft_kedro.live.journal import Journal
from atft_kedro.plugins import list_permitted
from atft_kedro.walk_forward.process_pool import Task, TaskResult, run_tasks
from factories.project import FORKS


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.02)


def write_pid(folder: Path, name: str) -> None:
    """Write a file with the process id, and print a line."""
    sys.stdout.write(f"{name} runs\n")
    sys.stdout.flush()
    (folder / name).write_text(str(os.getpid()))


def write_permitted(folder: Path, name: str) -> None:
    """Print the plug-ins that this process permits."""
    sys.stdout.write(f"{list_permitted()}\n")
    sys.stdout.flush()


def fail(folder: Path, name: str) -> None:
    raise RuntimeError(f"{name} cannot be done")


def kill_self(folder: Path, name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stop(folder: Path, name: str) -> None:
    raise SystemExit(os.EX_TEMPFAIL)


def sleep_until_terminated(folder: Path, name: str) -> None:
    """Sleep, and write a file when terminated."""

    def end(number: int, frame: object) -> None:
        (folder / f"{name} ended").touch()
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    write_pid(folder, name)
    time.sleep(600)


def write_times(folder: Path, name: str) -> None:
    """Write the times of start and end, half a second apart."""
    (folder / f"{name} starts").write_text(str(time.time()))
    time.sleep(0.5)
    (folder / f"{name} ends").write_text(str(time.time()))


def make_tasks(folder: Path, *functions: Callable[[Path, str], None]) -> list[Task]:
    names = [f"{function.__name__} {number}" for number, function in enumerate(functions)]
    return [
        Task(name, function, (folder, name), folder / f"{number}.log")
        for number, (name, function) in enumerate(zip(names, functions, strict=True))
    ]


def ignore_result(task: Task, result: TaskResult) -> None:
    """Do nothing with a result."""


if __name__ == "__main__":
    run_tasks(make_tasks(Path(sys.argv[1]), sleep_until_terminated, sleep_until_terminated), 2, ignore_result)


def kill_before_call(calls: int) -> None:
    """Kill this process before its call number ``calls`` (from 0 on) of a function that changes files."""
    left = [calls]

    def count(function: Callable[..., object]) -> Callable[..., object]:
        def call(*values: object, **options: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*values, **options)

        return call

    for owner, name in ((os, "open"), (os, "close"), (Path, "touch"), (Path, "replace"), (Path, "write_text")):
        setattr(owner, name, count(getattr(owner, name)))


def promote_and_die(path: Path, run: str, calls: int) -> None:
    """Promote a run, and die before the call number ``calls``."""
    change = Promotion(run=run, how="gate", reason="tested")
    kill_before_call(calls)
    update_record(path, ChampionRecord(), lambda record: record.promote(change))


def append_and_die(folder: Path, entries: Path, calls: int) -> None:
    """Append the entries in a file to a journal, and die before the call number ``calls``."""
    table = pl.read_parquet(entries)
    kill_before_call(calls)
    Journal(folder).append(table)


def run_in_process(task: Callable[..., None], *values: object) -> int | None:
    """Run a function in a new process, and return its exit code."""
    process = FORKS.Process(target=task, args=values)
    process.start()
    process.join(60)
    if process.exitcode is None:
        process.kill()
        raise AssertionError("the process has not ended")
    return process.exitcode
