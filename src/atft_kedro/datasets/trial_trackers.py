"""Where the trials of a search are tracked: child runs of one MLflow run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mlflow
from kedro.io import AbstractDataset, DatasetError
from mlflow.entities import RunStatus

from ..training.tracking import NO_TRACKER, Tracker
from .tracker import MlflowTracker, UntilItFails


class MlflowTrials:
    """Child runs of one MLflow run, from this process or another one."""

    def __init__(self) -> None:
        self._try = UntilItFails("trials are not tracked, for MLflow does not answer")

    def current(self) -> str | None:
        """Name the run that is active now."""
        active = mlflow.active_run()
        return None if active is None else str(active.info.run_id)

    @contextmanager
    def trial(
        self, name: str, params: Mapping[str, object], parent: str | None, former: str | None = None
    ) -> Iterator[Tracker]:
        """Track a trial as a child of a run, or go on where a former worker was; without a parent nobody is told."""
        begun: list[str] = []
        if parent is not None:
            self._try(lambda: begun.append(_begin(name, parent, former)))
        if begun:
            self._try(lambda: mlflow.log_params(dict(params)))
        status = RunStatus.FAILED
        try:
            yield MlflowTracker() if begun else NO_TRACKER
            status = RunStatus.FINISHED
        except (KeyboardInterrupt, SystemExit):
            status = RunStatus.KILLED
            raise
        finally:
            if begun:
                self._try(lambda: mlflow.end_run(RunStatus.to_string(status)))


def _begin(name: str, parent: str, former: str | None) -> str:
    run = mlflow.start_run(former, run_name=name, nested=True, parent_run_id=None if former else parent)
    return str(run.info.run_id)


class TrialTrackersDataset(AbstractDataset[None, MlflowTrials]):
    """The tracker of a search's trials.

    Example usage for the YAML API:

        trial_trackers:
          type: atft_kedro.datasets.TrialTrackersDataset
    """

    def __init__(self, *, metadata: dict[str, Any] | None = None) -> None:
        self.metadata = metadata

    def load(self) -> MlflowTrials:
        """Give it."""
        return MlflowTrials()

    def save(self, data: None) -> None:
        """Refuse: there is nothing to save."""
        raise DatasetError("A tracker is not saved.")

    def _describe(self) -> dict[str, Any]:
        return {}

    def _exists(self) -> bool:
        return True
