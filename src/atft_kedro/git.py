"""The git commit of a folder."""

import subprocess
from pathlib import Path
from typing import NamedTuple

NOT_INSTALLED = "git is not installed"


class GitState(NamedTuple):
    """The commit of a folder and its uncommitted changes."""

    commit: str | None  # None if git is missing, outside a repository, and before the first commit
    changed_files: int  # entries of `git status`: changed files, new files and new folders
    error: str = ""  # why there is no commit


def read_git_state(folder: Path) -> GitState:
    """Read the commit and the number of uncommitted changes of a folder."""
    try:
        commit, changes = _run_git(folder, "rev-parse", "HEAD"), _run_git(folder, "status", "--porcelain")
    except FileNotFoundError:
        return GitState(None, 0, NOT_INSTALLED)
    changed_files = len(changes.stdout.splitlines())
    if commit.returncode != 0:
        return GitState(None, changed_files, (commit.stderr.strip().splitlines() or ["no commit"])[0])
    return GitState(commit.stdout.strip(), changed_files)


def _run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=False)
