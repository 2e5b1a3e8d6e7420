"""``kedro atft diagnose``: what is wrong with a run, for people and for scripts."""

import json
import subprocess
from pathlib import Path

import pytest

from factories.project import KEDRO, environment, kedro
from factories.training_logs import RISING, tell, write_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(project: Path) -> Path:
    """Two runs that were never trained: one diverges, and the latest is in order."""
    folder = project / "data" / "06_models" / "runs"
    write_run(folder / "diverges", tell(*RISING, train_loss=lambda epoch: 1 + abs(epoch - 2)))
    write_run(folder / "healthy", tell(*RISING))
    (folder / "latest").symlink_to("healthy")
    return folder


def test_a_run_in_trouble_is_told_its_numbers_and_what_to_change(project: Path, runs: Path) -> None:
    said = kedro(project, "atft", "diagnose", "diverges", "--strict", fails=True)
    shown = kedro(project, "atft", "status", "diverges")

    assert "run diverges: in trouble: divergence" in said
    assert "train loss 2 in its epoch 1, 5 in epoch 6, least 1 in epoch 2" in said
    assert "→ --params training.learning_rate=0.0003 (now 0.001)" in said
    assert "in trouble: divergence" in shown


def test_scripts_read_json_and_the_latest_run_is_the_default(project: Path, runs: Path) -> None:
    done = subprocess.run(
        [KEDRO, "atft", "diagnose", "--json", "--strict"],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )

    told = json.loads(done.stdout)
    assert (told["run"], told["state"]) == ("healthy", "ok")
    assert {"about", "state", "measured", "advice", "seed", "numbers"} == set(told["findings"][0])


def test_a_run_that_does_not_exist_is_an_answer(project: Path, runs: Path) -> None:
    said = kedro(project, "atft", "diagnose", "helthy", fails=True)

    assert "There is no run 'helthy'" in said
    assert "Traceback" not in said
