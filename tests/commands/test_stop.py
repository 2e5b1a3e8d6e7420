"""Test ``kedro atft stop`` and ``monitor`` on a run that is done."""

from pathlib import Path

import pytest

from factories.project import kedro
from factories.training_logs import RISING, STEPS, make_log, write_run


@pytest.mark.slow
def test_a_run_that_is_done_is_shown_and_cannot_be_stopped(project: Path) -> None:
    folder = project / "data" / "06_models" / "runs"
    write_run(folder / "healthy", make_log(*RISING))
    (folder / "latest").symlink_to("healthy")

    watched = kedro(project, "atft", "watch")
    stopped = kedro(project, "atft", "stop", "healthy", fails=True)

    assert "run healthy" in watched
    assert f"{RISING[-1]:.4f}" in watched
    assert f"Run healthy is not training: it is done after step {STEPS * len(RISING)}." in stopped
