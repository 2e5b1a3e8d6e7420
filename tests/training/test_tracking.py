"""Logging of a training to a tracker."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from atft_kedro.training.callbacks import Checkpoints
from atft_kedro.training.checkpoint import LAST, read_checkpoint
from atft_kedro.training.engine import Stop
from atft_kedro.training.process_control import StopFile
from atft_kedro.training.runs import STOP_FILE
from atft_kedro.training.tracking import NoTracker, TrackerLog
from factories.training import IDENTITY, Make, Watch


class RecordingTracker(NoTracker):
    """A tracker that stores rank ICs and names of metrics."""

    def __init__(self) -> None:
        self.rank_ics: list[tuple[int, float]] = []
        self.names: set[str] = set()

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.rank_ics += [(step, value) for name, value in metrics.items() if name == "validation/rank_ic"]
        self.names |= set(metrics)


def test_a_new_tracker_receives_all_earlier_epochs(make: Make, tmp_path: Path) -> None:
    first, second = RecordingTracker(), RecordingTracker()
    stopped = make([TrackerLog(first, "", (), ()), Checkpoints(tmp_path, IDENTITY, keep=3), StopFile(tmp_path)])
    stopped.callbacks = [Watch(15, lambda trainer: (tmp_path / STOP_FILE).touch()), *stopped.callbacks]
    with pytest.raises(Stop):
        stopped.fit()
    resumed = make([TrackerLog(second, "", (), ())])
    resumed.resume(read_checkpoint(tmp_path / LAST, IDENTITY))
    resumed.fit()

    whole = [(epoch + 1, scores["rank_ic"]) for epoch, scores in enumerate(resumed.progress.history)]
    assert 0 < len(first.rank_ics) < len(whole)
    assert first.rank_ics == whole[: len(first.rank_ics)]
    assert second.rank_ics == whole
    assert {"train/loss", "train/rank_ic", "train/rank_ic_1d", "validation/se_rank_ic_1d"} <= second.names
