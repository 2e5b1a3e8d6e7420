"""Locks where the file system has none."""

import errno
import fcntl
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from atft_kedro.locks import exclusive_lock, wait_for_lock
from atft_kedro.params import InputError


@pytest.mark.parametrize("lock", [wait_for_lock, lambda path: exclusive_lock(path, "It is taken.")])
def test_a_file_system_without_flock_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: Callable[[Path], AbstractContextManager[None]]
) -> None:
    def refuse(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)

    with pytest.raises(InputError, match=r"l\.lock cannot be locked \(No locks available\)"), lock(tmp_path / "l.lock"):
        pass
