"""Test ``kedro atft status``."""

from pathlib import Path

import pytest

from atft_kedro.commands.console import make_console
from atft_kedro.commands.status import describe_health, render_status
from atft_kedro.training.run_status import read_status
from factories.training_logs import RISING, make_log, write_run


def test_the_state_and_the_problems_of_a_run_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    healthy = write_run(tmp_path / "healthy", make_log(*RISING))
    diverging = write_run(tmp_path / "diverging", make_log(*RISING, train_loss=lambda epoch: 1 + abs(epoch - 2)))

    texts = []
    for folder in (healthy, diverging):
        make_console().print(render_status(read_status(folder), describe_health(folder)))
        texts.append(capsys.readouterr().out)

    assert "run healthy" in texts[0]
    assert "kedro atft diagnose" not in texts[0]
    assert "errors: divergence" in texts[1]
    assert "kedro atft diagnose" in texts[1]
