"""The folder in which every training has a folder of its own."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from ..git import read_git_state
from ..training.runs import Runs


class RunFoldersDataset(AbstractDataset[None, Runs]):
    """All runs, with the state of the code: trainings write into it while they go on.

    Example usage for the YAML API:

        runs:
          type: atft_kedro.datasets.RunFoldersDataset
          path: data/06_models/runs
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> Runs:
        """Return the folder of runs, with the git commit of the code."""
        git = read_git_state(Path.cwd())
        return Runs(self._path, git.commit or "unknown", is_dirty=git.changed_files > 0)

    def save(self, data: None) -> None:
        """Refuse: a training makes its own folder."""
        raise DatasetError("A run makes its own folder.")

    def _describe(self) -> dict[str, Any]:
        return {"runs": str(self._path)}  # not its path: what is in it makes no stage stale

    def _exists(self) -> bool:
        return True
