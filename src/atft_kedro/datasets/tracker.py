"""The experiment tracker that a training tells its numbers."""

import logging
from collections.abc import Callable, Mapping
from math import isnan
from pathlib import Path
from typing import Any

import mlflow
from kedro.io import AbstractDataset, DatasetError
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from ..training.tracking import NoTracker, Tracker

TRACKER_FAILURES = (MlflowException, SQLAlchemyError, OSError)  # what requests raises is an OSError

_logger = logging.getLogger(__name__)


class MlflowTracker:
    """The MLflow run that is active now, until its server fails; then nobody, for a training is worth more."""

    def __init__(self) -> None:
        self._is_alive = True

    def tag(self, tags: Mapping[str, str]) -> None:
        """Say what a run is made of."""
        self._try(lambda: mlflow.set_tags(dict(tags)))

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Write numbers down, all that are numbers."""
        known = {name: value for name, value in metrics.items() if not isnan(value)}
        self._try(lambda: mlflow.log_metrics(known, step))

    def keep(self, file: Path, folder: str) -> None:
        """Keep a file, in a folder of the run's."""
        self._try(lambda: mlflow.log_artifact(str(file), folder or None))

    def _try(self, call: Callable[[], object]) -> None:
        if not self._is_alive:
            return
        try:
            call()
        except TRACKER_FAILURES as error:
            self._is_alive = False
            _logger.warning("MLflow no longer answers, the run folder has everything: %s", first_line(error))


def first_line(error: BaseException) -> str:
    """Shorten an error to its first line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class TrackerDataset(AbstractDataset[None, Tracker]):
    """The MLflow run that is active, else a tracker that tells nobody.

    Example usage for the YAML API:

        tracker:
          type: atft_kedro.datasets.TrackerDataset
    """

    def __init__(self, *, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata

    def load(self) -> Tracker:
        """Ask MLflow whether a run is active."""
        return MlflowTracker() if mlflow.active_run() else NoTracker()

    def save(self, data: None) -> None:
        """Refuse: there is nothing to save."""
        raise DatasetError("A tracker is not saved.")

    def _describe(self) -> dict[str, Any]:
        return {}

    def _exists(self) -> bool:
        return True
