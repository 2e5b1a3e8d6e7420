"""Whole files: writers of one file do not touch each other's partial ones, and remove those of the dead."""

import subprocess
import sys
from pathlib import Path

import pytest

from atft_kedro.disk import written_whole

WRITE = """
import sys, time
from pathlib import Path
from atft_kedro.disk import written_whole
with written_whole(Path(sys.argv[1])) as partial:
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
        with written_whole(path) as partial:
            partial.write_text("whole")
        beside = names(tmp_path)
        other.kill()
    with written_whole(path) as partial:
        partial.write_text("whole again")

    assert len(beside) == 2  # the other one's is still there
    assert names(tmp_path) == ["a [1].json"]
    assert path.read_text() == "whole again"


def test_a_folder_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), written_whole(tmp_path / "model", is_folder=True) as partial:
        (partial / "weights").write_text("half")
        raise RuntimeError

    assert names(tmp_path) == []
