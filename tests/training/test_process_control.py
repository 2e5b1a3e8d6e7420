"""The heartbeat file, and requests to stop a training."""

import math
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from atft_kedro.training.engine import STOPPED, Stop
from atft_kedro.training.process_control import Heartbeat, StopFile, receive_stop_signals
from atft_kedro.training.run_status import read_status
from atft_kedro.training.runs import STOP_FILE
from factories.training import Make, Watch


@pytest.mark.parametrize(
    ("best", "text"), [(math.nan, "-"), (0.05, "undefined, EMA weights of the last epoch (best 0.0500)")]
)
def test_a_run_with_an_undefined_newest_score_has_a_status(make: Make, tmp_path: Path, best: float, text: str) -> None:
    trainer = make()
    trainer.progress = replace(trainer.progress, steps_done=1, history=[{"rank_ic": math.nan}], best=best)

    Heartbeat(tmp_path).after_epoch(trainer, {"rank_ic": math.nan})

    assert read_status(tmp_path).rows()["validation rank IC"] == text


def test_a_stop_file_ends_the_training_and_is_removed(make: Make, tmp_path: Path) -> None:
    trainer = make([Watch(3, lambda trainer: (tmp_path / STOP_FILE).touch()), StopFile(tmp_path)])

    with pytest.raises(Stop) as stop:
        trainer.fit()

    assert (stop.value.code, trainer.progress.steps_done) == (STOPPED, 3)
    assert not (tmp_path / STOP_FILE).exists()


def test_a_signal_ends_the_training_after_its_step_and_the_handlers_are_restored(make: Make) -> None:
    previous = signal.getsignal(signal.SIGINT)

    with pytest.raises(Stop), receive_stop_signals() as stop_signal:
        trainer = make([Watch(2, lambda trainer: signal.raise_signal(signal.SIGINT)), stop_signal])
        trainer.fit()

    assert trainer.progress.steps_done == 2
    assert signal.getsignal(signal.SIGINT) is previous


def test_a_signal_that_no_step_has_seen_is_raised_again() -> None:
    with pytest.raises(KeyboardInterrupt), receive_stop_signals():
        signal.raise_signal(signal.SIGINT)
