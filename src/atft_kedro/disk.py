"""Files that are whole or not there, and a full disk told plainly."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .params import InputError

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
