"""Test that a tracking server that fails is logged once and then skipped."""

import pytest
from mlflow.exceptions import MlflowException

from atft_kedro.datasets import TrackerDataset, TrialTrackersDataset
from atft_kedro.datasets.tracker import StopAfterFailure
from atft_kedro.training.tracking import NoTracker


def test_the_first_failure_is_logged_and_later_calls_are_skipped(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []
    call_mlflow = StopAfterFailure("MLflow failed")

    def fail() -> None:
        calls.append("fail")
        raise MlflowException("no connection\nand more lines")

    call_mlflow(lambda: calls.append("first"))
    call_mlflow(fail)
    call_mlflow(lambda: calls.append("later"))

    assert calls == ["first", "fail"]
    assert caplog.messages == ["MLflow failed: no connection"]


def test_without_a_run_nothing_is_tracked() -> None:
    trackers = TrialTrackersDataset().load()

    assert isinstance(TrackerDataset().load(), NoTracker)
    assert trackers.current() is None
    with trackers.trial("trial 1", {"a": 1}, parent=None) as tracker:
        assert isinstance(tracker, NoTracker)
