"""The git commit of a folder."""

import subprocess
from pathlib import Path
from typing import NamedTuple

NOT_INSTALLED = "git is not installed"


class GitState(NamedTuple):
    """The commit of a checkout and the number of files that differ from it."""

    commit: str | None  # None outside a repository and before its first commit
    changed_files: int
    error: str = ""  # why there is no commit


def read_git_state(folder: Path) -> GitState:
    """Ask git for the commit and the uncommitted changes of a folder."""
    try:
        commit, changes = (_run_git(folder, *words) for words in (("rev-parse", "HEAD"), ("status", "--porcelain")))
    except FileNotFoundError:
        return GitState(None, 0, NOT_INSTALLED)
    changed_files = len(changes.stdout.splitlines())
    if commit.returncode != 0:
        return GitState(None, changed_files, (commit.stderr.strip().splitlines() or ["no commit"])[0])
    return GitState(commit.stdout.strip(), changed_files)


def _run_git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=False)
