"""Whole files: writers of one file do not touch each other's partial ones, and remove those of the dead."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from atft_kedro.files import atomic_write

WRITE = """
import sys, time
from pathlib import Path
from atft_kedro.files import atomic_write
with atomic_write(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    print("half", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_two_writers_of_one_file_write_whole_files_and_the_dead_ones_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a [1].json"
    with subprocess.Popen([sys.executable, "-c", WRITE, path], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with atomic_write(path) as partial:
            partial.write_text("whole")
        other_files = names(tmp_path)
        other.kill()
    with atomic_write(path) as partial:
        partial.write_text("whole again")

    assert len(other_files) == 2  # the other writer's file still exists
    assert names(tmp_path) == ["a [1].json"]
    assert path.read_text() == "whole again"


def test_a_folder_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "model", is_folder=True) as partial:
        (partial / "weights").write_text("half")
        raise RuntimeError

    assert names(tmp_path) == []


def test_a_writer_creates_its_partial_file_again_if_it_is_removed_before_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, removed = fcntl.flock, []

    def remove_once(file: int, how: int) -> None:
        if not removed:
            removed.append(Path(f"/proc/self/fd/{file}").readlink())
            removed[0].rmdir()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", remove_once)
    with atomic_write(tmp_path / "model", is_folder=True) as partial:
        (partial / "weights").write_text("whole")

    assert len(removed) == 1
    assert (tmp_path / "model" / "weights").read_text() == "whole"
    assert names(tmp_path) == ["model"]
