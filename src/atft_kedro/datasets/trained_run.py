"""Which run was trained last; a process that trained one keeps to it."""

from typing import Any

from ..params import Params
from ..source_code import digest
from ..training.runs import TrainedRun
from .model import ModelDataset


class TrainedRunDataset(ModelDataset):
    """The run that was trained last, in a JSON file.

    What this dataset has saved, or was asked to keep, it loads again, whatever other processes write to the file.

    Example usage for the YAML API:

        trained_run:
          type: atft_kedro.datasets.TrainedRunDataset
          filepath: data/06_models/trained_run.json
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, model=f"{TrainedRun.__module__}.{TrainedRun.__name__}")
        self.metadata = metadata
        self._kept: TrainedRun | None = None

    def load(self) -> TrainedRun:
        """Read which run it is, or give the one that is kept."""
        if self._kept is not None:
            return self._kept
        trained = super().load()
        assert isinstance(trained, TrainedRun)
        return trained

    def save(self, data: Params) -> None:
        """Write it and keep it."""
        assert isinstance(data, TrainedRun)
        super().save(data)
        self._kept = data

    def keep(self) -> TrainedRun:
        """Keep the run that the file names now."""
        self._kept = self.load()
        return self._kept

    def _describe(self) -> dict[str, Any]:
        # Not its path: the cache would look at the file, which may be another process's by now.
        text = self._filepath.read_text() if self._kept is None and self._filepath.exists() else ""
        return {"trained": digest(text if self._kept is None else self._kept.model_dump_json(indent=2))}

    def _exists(self) -> bool:
        return self._kept is not None or super()._exists()
