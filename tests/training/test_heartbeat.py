"""The heartbeat file."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from atft_kedro.training.heartbeat import Heartbeat
from atft_kedro.training.run_status import read_status
from factories.training import Make


@pytest.mark.parametrize(
    ("best", "text"), [(math.nan, "-"), (0.05, "undefined, averaged weights of the last epoch (best 0.0500)")]
)
def test_a_run_with_an_undefined_newest_score_has_a_status(make: Make, tmp_path: Path, best: float, text: str) -> None:
    trainer = make()
    trainer.progress = replace(trainer.progress, steps_done=1, history=[{"rank_ic": math.nan}], best=best)

    Heartbeat(tmp_path).after_epoch(trainer, {"rank_ic": math.nan})

    assert read_status(tmp_path).rows()["validation rank IC"] == text
