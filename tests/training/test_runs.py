"""Run folders."""

import json
from pathlib import Path

import pytest

from atft_kedro.params import InputError
from atft_kedro.training.runs import LATEST, MANIFEST, Runs, read_manifest


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs", commit="abc", is_dirty=True)


def test_every_run_has_its_own_folder_and_latest_is_the_newest(runs: Runs) -> None:
    one, other = runs.create({"panel": "p"}), runs.create({"panel": "p"})

    assert one != other
    assert runs.find(LATEST) == other.resolve()
    assert runs.find(one.name) == one.resolve()
    assert json.loads((other / MANIFEST).read_text()) == {"panel": "p"}
    (runs.folder / f".{one.name}.0a1b2c3d").symlink_to(one.name)  # left by a process that was killed
    assert runs.names() == [one.name, other.name]
    with pytest.raises(InputError, match=f"There is no run 'mine' in .*; there are {one.name}, {other.name}"):
        runs.find("mine")


def test_a_manifest_of_another_version_is_refused_when_a_missing_field_is_read(runs: Runs) -> None:
    manifest = read_manifest(runs.create({"panel": "p"}))

    assert (manifest["panel"], manifest.get("commit")) == ("p", None)
    with pytest.raises(InputError, match=r"manifest.json was written by another version .*: it has no 'commit'\."):
        manifest["commit"]
