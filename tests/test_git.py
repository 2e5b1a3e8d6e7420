"""Test reading the commit of a folder."""

import subprocess
from pathlib import Path

import pytest

from atft_kedro.git import NOT_INSTALLED, GitState, read_git_state


def run_git(folder: Path, *words: str) -> str:
    command = ["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_and_changed_files_are_read(tmp_path: Path) -> None:
    outside = read_git_state(tmp_path)
    run_git(tmp_path, "init", "--quiet")
    before_first_commit = read_git_state(tmp_path)
    run_git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "first")
    (tmp_path / "new.py").touch()

    assert (outside.commit, before_first_commit.commit) == (None, None)
    assert "not a git repository" in outside.error
    assert read_git_state(tmp_path) == GitState(run_git(tmp_path, "rev-parse", "HEAD"), changed_files=1)


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert read_git_state(tmp_path) == GitState(None, 0, NOT_INSTALLED)
