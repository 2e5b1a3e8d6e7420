"""Test ``kedro atft diagnose`` as text and as JSON."""

import json
import subprocess
from pathlib import Path

import pytest

from factories.project import KEDRO, environment, kedro
from factories.training_logs import RISING, make_log, write_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(project: Path) -> Path:
    """Two made-up runs: one diverges, and the latest is healthy."""
    folder = project / "data" / "06_models" / "runs"
    write_run(folder / "diverges", make_log(*RISING, train_loss=lambda epoch: 1 + abs(epoch - 2)))
    write_run(folder / "healthy", make_log(*RISING))
    (folder / "latest").symlink_to("healthy")
    return folder


def test_errors_are_shown_with_numbers_and_advice(project: Path, runs: Path) -> None:
    output = kedro(project, "atft", "diagnose", "diverges", "--strict", fails=True)
    status = kedro(project, "atft", "status", "diverges")

    assert "run diverges: errors: divergence" in output
    assert "train loss 2 in epoch 1, 5 in epoch 6, lowest 1 in epoch 2" in output
    assert "→ --params training.learning_rate=0.0003 (now 0.001)" in output
    assert "errors: divergence" in status


def test_json_reports_the_latest_run_by_default(project: Path, runs: Path) -> None:
    process = subprocess.run(
        [KEDRO, "atft", "diagnose", "--json", "--strict"],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )

    report = json.loads(process.stdout)
    assert (report["run"], report["severity"]) == ("healthy", "ok")
    assert {"name", "severity", "message", "advice", "seed", "numbers"} == set(report["checks"][0])


def test_an_unknown_run_is_refused(project: Path, runs: Path) -> None:
    output = kedro(project, "atft", "diagnose", "helthy", fails=True)

    assert "There is no run 'helthy'" in output
    assert "Traceback" not in output
