"""The folder of all runs, and the models exported from it."""

from pathlib import Path
from typing import Any

import polars as pl
from kedro.io import AbstractDataset

from ..export.champion import CHAMPION_FILE
from ..export.model_card import CARD_FILE
from ..export.model_folder import PREFIX, ExportedModels
from ..git import read_git_state
from ..live.journal import Journal
from ..source_code import digest
from ..training.runs import Runs
from .read_only import ReadOnlyDataset


class RunFoldersDataset(ReadOnlyDataset[Runs]):
    """The folder in which every training creates a run folder, with the state of the code.

    Example usage for the YAML API:

        runs:
          type: atft_kedro.datasets.RunFoldersDataset
          path: data/06_models/runs
    """

    reason = "A training creates its own run folder."

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> Runs:
        """Return the folder of runs, with the git commit of the code."""
        git = read_git_state(Path.cwd())
        return Runs(self._path, git.commit or "unknown", is_dirty=git.changed_files > 0)

    def _describe(self) -> dict[str, Any]:
        return {"runs": str(self._path)}  # not called path: its content makes no stage stale


class ExportedModelsDataset(ReadOnlyDataset[ExportedModels]):
    """The exported models of all runs; a new one makes the stages after it stale.

    Example usage for the YAML API:

        exported_models:
          type: atft_kedro.datasets.ExportedModelsDataset
          path: data/06_models/runs
    """

    reason = "The export pipeline writes a model into its run folder."

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> ExportedModels:
        """Return the folder of all runs."""
        return ExportedModels(Runs(self._path, commit="", is_dirty=False))

    def _describe(self) -> dict[str, Any]:
        cards, record = sorted(self._path.glob(f"[!.l]*/{PREFIX}*/{CARD_FILE}")), self._path.parent / CHAMPION_FILE
        return {
            "runs": str(self._path),
            "champion": digest(record.read_text() if record.exists() else ""),
            "models": {str(card.relative_to(self._path)): card.stat().st_mtime_ns for card in cards},
        }


class JournalDataset(AbstractDataset[pl.DataFrame, pl.DataFrame]):
    """The journal of live forecasts; a save appends the entries that it does not have yet.

    Example usage for the YAML API:

        journal:
          type: atft_kedro.datasets.JournalDataset
          path: data/07_model_output/journal
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> pl.DataFrame:
        """Read all revisions of all days."""
        return Journal(self._path).read()

    def save(self, data: pl.DataFrame) -> None:
        """Append entries."""
        Journal(self._path).append(data)

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}

    def _exists(self) -> bool:
        return self._path.exists()
