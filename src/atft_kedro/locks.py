"""Locks between processes: the system frees a lock when its holder ends, however it ends."""

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

ATTEMPTS, INSTANT = 4, 0.05  # seconds


@contextmanager
def exclusive_lock(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock at ``path``; where another process holds it, refuse at once and name that process.

    The file stays when the lock is given back: only the system knows whether somebody holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        if not _take(lock):
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


def _take(lock: IO[str]) -> bool:
    """Take a lock; retry for 0.2 s, because `Runs.is_free` holds it briefly."""
    for _ in range(ATTEMPTS):
        with suppress(BlockingIOError):
            _lock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(INSTANT)
    return False


def _lock(file: IO[str], how: int) -> None:
    """Lock a file; a file system without flock is an `InputError` that names the file."""
    try:
        fcntl.flock(file, how)
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
    """Name the process that has written itself into a lock."""
    try:
        holder = json.loads(path.read_text())
    except ValueError:  # it holds the lock and has not written yet
        return "Its process has not written its name yet."
    return f"Process {holder['pid']} on {holder['host']} since {holder['since']}: {holder['command']}"
