"""Files: atomic writes of files and folders, and JSON read with plain errors."""

import errno
import fcntl
import glob
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from .params import InputError, MissingPluginError, Params

Model = TypeVar("Model", bound=Params)

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_write(path: Path, *, is_folder: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to ``path`` at the end.

    The temporary path is locked: a later writer removes those without a lock, which killed writers left behind.
    """
    with explain_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        partial, lock = _create_locked(path, is_folder)
    try:
        with explain_full_disk(path):
            yield partial
        partial.replace(path)
    finally:
        os.close(lock)
        _remove(partial)


def _create_locked(path: Path, is_folder: bool) -> tuple[Path, int]:
    """Create and lock a partial file or folder; repeat if another writer removes it before the lock."""
    while True:
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        if is_folder:
            partial.mkdir()
        else:
            partial.touch(exist_ok=False)
        with suppress(FileNotFoundError):
            lock = _open_to_lock(partial)
            with suppress(OSError):  # a file system without locks: abandoned files stay
                fcntl.flock(lock, fcntl.LOCK_EX)
            if partial.exists():
                return partial, lock
            os.close(lock)


def _remove_abandoned(path: Path) -> None:
    """Remove partial files of processes that have ended."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with suppress(OSError):  # already removed, its writer is alive, or no locks
            lock = _open_to_lock(partial)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(partial)
            finally:
                os.close(lock)


def _open_to_lock(path: Path) -> int:
    """Open a path to lock it; over NFS only a file opened for writing can be locked."""
    return os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def explain_full_disk(path: Path) -> Iterator[None]:
    """Turn the operating system's disk-full error into an `InputError`."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        existing = next(folder for folder in (path, *path.parents) if folder.exists())
        free = shutil.disk_usage(existing).free / 1e9
        raise InputError(
            f"{path} cannot be written: {error.strerror}; {free:.2f} GB are free. An earlier version is unchanged."
        ) from error


def read_json(path: Path) -> Any:
    """Read a JSON file; raise an `InputError` that names it if it is truncated."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is not readable as JSON ({error}): it is truncated or was changed.") from error


def read_json_lines(path: Path, containing: str = "") -> list[Any]:
    """Read the JSON lines that contain a text; skip an unfinished last line."""
    complete = path.read_text().rpartition("\n")[0]
    values = []
    for number, line in enumerate(complete.splitlines(), start=1):
        try:
            values += [json.loads(line)] if containing in line else []
        except ValueError as error:
            raise InputError(f"{path}, line {number}, is not readable as JSON ({error}).") from error
    return values


def parse_model(value: Any, model: type[Model], path: Path) -> Model:
    """Validate a value read from ``path``; raise an `InputError` with the first wrong key."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or model.__name__
        if isinstance(cause := first.get("ctx", {}).get("error"), MissingPluginError):
            raise MissingPluginError(f"{path}: {key} = {first['input']!r} {cause}") from error
        raise InputError(
            f"{path} was written by another version of this project: {key}: {first['msg']} "
            f"(wrong keys: {error.error_count()})."
        ) from error
