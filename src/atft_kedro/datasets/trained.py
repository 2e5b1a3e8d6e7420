"""Names of what was trained last: the run, and the folds of a walk."""

import logging
from collections.abc import Iterable
from typing import Any

from kedro.io import CatalogProtocol, DatasetError

from ..params import Params
from ..source_code import digest
from ..training.runs import TrainedRun
from ..walk_forward.walk import FoldResults
from .json_files import ModelDataset
from .run_files import InRunFolder

TRAINED_RUN = "trained_run"  # its catalog entry

_logger = logging.getLogger(__name__)


class TrainedRunDataset(ModelDataset):
    """The run that was trained last, in a JSON file.

    After a save or ``keep`` it returns the same run, even if another process has changed the file.

    Example usage for the YAML API:

        trained_run:
          type: atft_kedro.datasets.TrainedRunDataset
          filepath: data/06_models/trained_run.json
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, model=f"{TrainedRun.__module__}.{TrainedRun.__name__}", metadata=metadata)
        self._kept: TrainedRun | None = None

    def load(self) -> TrainedRun:
        """Return the kept run, else read the file."""
        if self._kept is not None:
            return self._kept
        trained = super().load()
        assert isinstance(trained, TrainedRun)
        return trained

    def save(self, data: Params) -> None:
        """Write the run and keep it."""
        assert isinstance(data, TrainedRun)
        super().save(data)
        self._kept = data

    def keep(self) -> TrainedRun:
        """Keep the run that the file names now."""
        self._kept = self.load()
        return self._kept

    def _describe(self) -> dict[str, Any]:
        # Without the path: the cache would read the file, which another process may have changed.
        text = self._filepath.read_text() if self._kept is None and self._filepath.exists() else ""
        return {"trained": digest(text if self._kept is None else self._kept.model_dump_json(indent=2))}

    def _exists(self) -> bool:
        return self._kept is not None or super()._exists()


class TrainedFoldsDataset(ModelDataset):
    """The folds of a walk; it does not exist while a fold has failed or lost its forecasts.

    Example usage for the YAML API:

        trained_folds:
          type: atft_kedro.datasets.TrainedFoldsDataset
          filepath: data/06_models/walk_forward/folds.json
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        name = f"{FoldResults.__module__}.{FoldResults.__name__}"
        super().__init__(filepath=filepath, model=name, metadata=metadata)

    def _describe(self) -> dict[str, Any]:
        # Without the path: the cache would read this file only, and not whether the folds are complete.
        text = self._filepath.read_text() if self._filepath.exists() else ""
        return {"folds": str(self._filepath), "digest": digest(text)}

    def _exists(self) -> bool:
        if not self._filepath.exists():
            return False
        folds = self.load()
        assert isinstance(folds, FoldResults)
        return folds.is_complete(self._filepath.parent)


def bind_to_trained_run(catalog: CatalogProtocol, names: Iterable[str]) -> list[str]:
    """Bind datasets in run folders to the run trained last.

    Later changes of ``trained_run`` have no effect. Returns the names of the datasets that were bound. An invalid
    ``trained_run`` counts as missing.
    """
    trained = catalog.get(TRAINED_RUN)
    if not isinstance(trained, TrainedRunDataset) or not trained.exists():
        return []
    try:
        run = trained.keep().run
    except DatasetError as error:
        _logger.warning("%s\n%s counts as missing: the next training replaces it", error, TRAINED_RUN)
        return []
    bound = []
    for name in names:
        dataset = catalog[name]
        if isinstance(dataset, InRunFolder) and dataset.is_in_run_folder:
            dataset.run = run
            bound.append(name)
    return bound
