"""Test ``kedro atft watch``."""

from pathlib import Path

import pytest

from atft_kedro.commands.console import make_console
from atft_kedro.commands.watch import render_epochs
from atft_kedro.training.run_status import read_history
from factories.training_logs import RISING, make_log, write_run


def test_the_last_epochs_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "run", make_log(*RISING))

    make_console().print(render_epochs(read_history(folder, 2), "rank IC"))

    output = capsys.readouterr().out
    assert [f"{rank_ic:.4f}" in output for rank_ic in RISING] == [False, False, False, False, True, True]
