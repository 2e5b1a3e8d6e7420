"""MLflow as the experiment tracker of trainings and of a search's trials."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isnan
from pathlib import Path

import mlflow
from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from sqlalchemy.exc import SQLAlchemyError

from ..training.tracking import NO_TRACKER, NoTracker, Tracker
from .read_only import ReadOnlyDataset

TRACKER_FAILURES = (MlflowException, SQLAlchemyError, OSError)  # the exceptions of requests are OSErrors

_logger = logging.getLogger(__name__)


class StopAfterFailure:
    """Run MLflow calls until one fails; log the failure and skip the later ones."""

    def __init__(self, message: str) -> None:
        self.message, self.has_failed = message, False

    def __call__(self, call: Callable[[], object]) -> None:
        """Run the call unless one has failed before."""
        if self.has_failed:
            return
        try:
            call()
        except TRACKER_FAILURES as error:
            self.has_failed = True
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            _logger.warning("%s: %s", self.message, reason)


class MlflowTracker:
    """The active MLflow run."""

    def __init__(self) -> None:
        self._call_mlflow = StopAfterFailure("MLflow failed; the run folder has all results")

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; the tag ``run`` also names the MLflow run."""
        named = {MLFLOW_RUN_NAME: tags["run"]} if "run" in tags else {}
        self._call_mlflow(lambda: mlflow.set_tags({**tags, **named}))

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Log the metrics that are not NaN."""
        defined = {name: value for name, value in metrics.items() if not isnan(value)}
        self._call_mlflow(lambda: mlflow.log_metrics(defined, step))

    def log_file(self, file: Path, folder: str) -> None:
        """Copy a file to a folder of the run's artifacts."""
        self._call_mlflow(lambda: mlflow.log_artifact(str(file), folder or None))

    def log_text(self, text: str, name: str) -> None:
        """Write a text to a file of the run's artifacts."""
        self._call_mlflow(lambda: mlflow.log_text(text, name))


class TrackerDataset(ReadOnlyDataset[Tracker]):
    """The active MLflow run, or a tracker without effect.

    Example usage for the YAML API:

        tracker:
          type: atft_kedro.datasets.TrackerDataset
    """

    reason = "Metrics are logged through a tracker."

    def load(self) -> Tracker:
        """Return a tracker of the active MLflow run."""
        return MlflowTracker() if mlflow.active_run() else NoTracker()


class MlflowTrials:
    """Child runs of one MLflow run, from this process or another one."""

    def __init__(self) -> None:
        self._call_mlflow = StopAfterFailure("MLflow failed; trials are not tracked")

    def current(self) -> str | None:
        """Return the id of the active run."""
        active = mlflow.active_run()
        return None if active is None else str(active.info.run_id)

    @contextmanager
    def trial(
        self, name: str, params: Mapping[str, object], parent: str | None, former: str | None = None
    ) -> Iterator[Tracker]:
        """Track a trial as a child of the run ``parent``, or resume the child run ``former``.

        Without a parent nothing is logged.
        """
        started: list[str] = []
        if parent is not None:
            self._call_mlflow(lambda: started.append(_start_child(name, parent, former)))
        if started:
            self._call_mlflow(lambda: mlflow.log_params(dict(params)))
        status = RunStatus.FAILED
        try:
            yield MlflowTracker() if started else NO_TRACKER
            status = RunStatus.FINISHED
        except (KeyboardInterrupt, SystemExit):
            status = RunStatus.KILLED
            raise
        finally:
            if started:
                self._call_mlflow(lambda: mlflow.end_run(RunStatus.to_string(status)))


def _start_child(name: str, parent: str, former: str | None) -> str:
    run = mlflow.start_run(former, run_name=name, nested=True, parent_run_id=None if former else parent)
    return str(run.info.run_id)


class TrialTrackersDataset(ReadOnlyDataset[MlflowTrials]):
    """The tracker of a search's trials.

    Example usage for the YAML API:

        trial_trackers:
          type: atft_kedro.datasets.TrialTrackersDataset
    """

    reason = "Metrics are logged through a tracker."

    def load(self) -> MlflowTrials:
        """Return a tracker that starts a child run for each trial."""
        return MlflowTrials()
