"""Locks between processes; the operating system releases them when the holder ends."""

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from .params import InputError

ATTEMPTS, PAUSE = 4, 0.05  # pause in seconds


@contextmanager
def exclusive_lock(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock at ``path``; raise an error that names another process that holds it.

    The file stays after the release, so its existence does not show whether the lock is held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        if not _acquire(lock):
            raise InputError(f"{refusal} {describe_holder(path)}")
        holder = {
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
        }
        lock.truncate(0)
        lock.write(json.dumps(holder))
        lock.flush()
        yield


def _acquire(lock: IO[str]) -> bool:
    """Acquire a lock; retry for 0.2 s, because `Runs.is_free` holds it briefly."""
    for _ in range(ATTEMPTS):
        with suppress(BlockingIOError):
            _lock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(PAUSE)
    return False


def _lock(file: IO[str], operation: int) -> None:
    """Lock a file; a file system without flock raises an `InputError`."""
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        raise
    except OSError as error:
        raise InputError(f"{file.name} cannot be locked ({error.strerror}): its file system has no flock.") from error


@contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Wait for the lock at ``path`` and hold it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        _lock(lock, fcntl.LOCK_EX)
        yield


def describe_holder(path: Path) -> str:
    """Describe the process that holds a lock, as written in its file."""
    try:
        holder = json.loads(path.read_text())
    except ValueError:  # the holder has not written yet
        return "Its process has not written its id yet."
    return f"Process {holder['pid']} on {holder['host']} since {holder['since']}: {holder['command']}"
