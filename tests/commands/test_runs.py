"""Test ``kedro atft status``, ``monitor`` and ``stop``."""

from pathlib import Path

import pytest

from atft_kedro.commands.console import make_console
from atft_kedro.commands.runs import read_health, render_epochs, render_status
from atft_kedro.training.run_status import read_history, read_status
from factories.project import kedro
from factories.training_logs import RISING, STEPS, make_log, write_run


def test_the_state_and_the_problems_of_a_run_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    healthy = write_run(tmp_path / "healthy", make_log(*RISING))
    diverging = write_run(tmp_path / "diverging", make_log(*RISING, train_loss=lambda epoch: 1 + abs(epoch - 2)))

    texts = []
    for folder in (healthy, diverging):
        make_console().print(render_status(read_status(folder), read_health(folder)))
        texts.append(capsys.readouterr().out)

    assert "run healthy" in texts[0]
    assert "kedro atft diagnose" not in texts[0]
    assert "errors: divergence" in texts[1]
    assert "kedro atft diagnose" in texts[1]


def test_the_last_epochs_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(tmp_path / "run", make_log(*RISING))

    make_console().print(render_epochs(read_history(folder, 2)))

    output = capsys.readouterr().out
    assert [f"{rank_ic:.4f}" in output for rank_ic in RISING] == [False, False, False, False, True, True]


@pytest.mark.slow
def test_a_run_that_is_done_is_shown_and_cannot_be_stopped(project: Path) -> None:
    folder = project / "data" / "06_models" / "runs"
    write_run(folder / "healthy", make_log(*RISING))
    (folder / "latest").symlink_to("healthy")

    watched = kedro(project, "atft", "monitor")
    stopped = kedro(project, "atft", "stop", "healthy", fails=True)

    assert "run healthy" in watched
    assert f"{RISING[-1]:.4f}" in watched
    assert f"Run healthy is not training: it is done after step {STEPS * len(RISING)}." in stopped
