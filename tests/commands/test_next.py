"""Test ``kedro atft next``."""

import json
import shlex
from pathlib import Path

import pytest

from factories.project import SMALL, kedro


def read_latest(project: Path) -> tuple[str, dict[str, object]]:
    folder = (project / "data" / "06_models" / "runs" / "latest").resolve()
    return folder.name, json.loads((folder / "manifest.json").read_text())["training"]


@pytest.mark.slow
def test_the_next_run_starts_from_the_weights_if_they_fit(ran_project: Path) -> None:
    run, _ = read_latest(ran_project)

    output = kedro(ran_project, "atft", "next", "--params", SMALL)
    other = kedro(ran_project, "atft", "next", "--params", f"{SMALL},network.hidden_size=32")

    assert f"run {run}, rung 1 epoch, on validation days" in output
    assert "Next: 10 epochs, from the weights of this run (epochs so far: 1): kedro run --params" in output
    assert output.endswith(f"training.epochs=9,baselines.lightgbm.rounds=10,training.init_from={run}")
    assert "Next: 10 epochs, from scratch, because this run was trained with network.hidden_size = 64 inst" in other
    assert "training.init_from=null" in other


@pytest.mark.long
def test_the_advised_commands_climb_to_the_mode_of_the_last_rung(ran_project: Path) -> None:
    run, _ = read_latest(ran_project)
    ladder = f"{SMALL},training.epochs=1,ladder.min_t=-99"
    output = kedro(ran_project, "atft", "next", "--params", ladder)
    kedro(ran_project, *shlex.split(output[output.index("kedro run") :])[1:])

    longer, training = read_latest(ran_project)
    assert longer != run
    assert (training["init_from"], training["epochs"]) == (run, 9)
    assert "rung 10 epochs" in kedro(ran_project, "atft", "next", "--params", ladder)
