"""What became of a walk's folds, beside their folders."""

from typing import Any

from ..source_code import digest
from ..walk_forward.walk import TrainedFolds
from .model import ModelDataset


class TrainedFoldsDataset(ModelDataset):
    """The folds of a walk. As long as one has failed or lost its forecasts it does not exist, and is made again.

    Example usage for the YAML API:

        trained_folds:
          type: atft_kedro.datasets.TrainedFoldsDataset
          filepath: data/06_models/walk_forward/folds.json
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, model=f"{TrainedFolds.__module__}.{TrainedFolds.__name__}")
        self.metadata = metadata

    def _describe(self) -> dict[str, Any]:
        # Not its path: the cache would look at the file alone.
        text = self._filepath.read_text() if self._filepath.exists() else ""
        return {"folds": str(self._filepath), "digest": digest(text)}

    def _exists(self) -> bool:
        if not self._filepath.exists():
            return False
        folds = self.load()
        assert isinstance(folds, TrainedFolds)
        return folds.is_complete(self._filepath.parent)
