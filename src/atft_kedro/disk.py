"""Files that are whole or not there: written atomically, read with plain errors."""

import errno
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from .params import InputError, Params

Model = TypeVar("Model", bound=Params)

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Lend a place beside ``path`` to write to, and rename it when all is written."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with told_of_a_full_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def told_of_a_full_disk(path: Path) -> Iterator[None]:
    """Turn the system's refusal to store more into an answer."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        home = next(folder for folder in (path, *path.parents) if folder.exists())
        free = shutil.disk_usage(home).free / 1e9
        raise InputError(
            f"{path} cannot be written: {error.strerror}; {free:.2f} GB are free. What was there before still is."
        ) from error


def read_json(path: Path) -> Any:
    """Read a JSON file; one that is cut short is an `InputError` that names it."""
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is not readable as JSON ({error}): it is cut short or was changed.") from error


def read_json_lines(path: Path, containing: str = "") -> list[Any]:
    """Read the JSON lines that contain a text; a last line without its end is still being written and is left out."""
    whole = path.read_text().rpartition("\n")[0]
    values = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            values += [json.loads(line)] if containing in line else []
        except ValueError as error:
            raise InputError(f"{path}, line {number}, is not readable as JSON ({error}).") from error
    return values


def parse_model(value: Any, model: type[Model], path: Path) -> Model:
    """Validate what was read from ``path``; what another version wrote is an `InputError` that names the first key."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or model.__name__
        raise InputError(
            f"{path} was written by another version of this project: {key}: {first['msg']} "
            f"(keys at fault: {error.error_count()})."
        ) from error
