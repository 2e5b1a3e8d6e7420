"""The experiment tracker that a training tells its numbers."""

import logging
from collections.abc import Callable, Mapping
from math import isnan
from pathlib import Path
from typing import Any

import mlflow
from kedro.io import AbstractDataset, DatasetError
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from sqlalchemy.exc import SQLAlchemyError

from ..training.tracking import NoTracker, Tracker

TRACKER_FAILURES = (MlflowException, SQLAlchemyError, OSError)  # what requests raises is an OSError

_logger = logging.getLogger(__name__)


class UntilItFails:
    """Calls MLflow until that fails once, says so, and does nothing from then on: a training is worth more."""

    def __init__(self, what: str) -> None:
        self.what, self.has_failed = what, False

    def __call__(self, call: Callable[[], object]) -> None:
        """Call, or leave it."""
        if self.has_failed:
            return
        try:
            call()
        except TRACKER_FAILURES as error:
            self.has_failed = True
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            _logger.warning("%s: %s", self.what, reason)


class MlflowTracker:
    """The MLflow run that is active now."""

    def __init__(self) -> None:
        self._try = UntilItFails("MLflow no longer answers, the run folder has everything")

    def tag(self, tags: Mapping[str, str]) -> None:
        """Say what a run is made of, and call MLflow's run by its name."""
        named = {MLFLOW_RUN_NAME: tags["run"]} if "run" in tags else {}
        self._try(lambda: mlflow.set_tags({**tags, **named}))

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Write numbers down, all that are numbers."""
        known = {name: value for name, value in metrics.items() if not isnan(value)}
        self._try(lambda: mlflow.log_metrics(known, step))

    def keep(self, file: Path, folder: str) -> None:
        """Keep a file, in a folder of the run's."""
        self._try(lambda: mlflow.log_artifact(str(file), folder or None))

    def write(self, text: str, name: str) -> None:
        """Keep a text, as a file of that name."""
        self._try(lambda: mlflow.log_text(text, name))


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
