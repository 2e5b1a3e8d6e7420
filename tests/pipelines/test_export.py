"""Test that a run exports its model."""

import json
import sqlite3
from pathlib import Path

import pytest

from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


def find_model(project: Path) -> Path:
    (found,) = (project / "data" / "06_models" / "runs" / "latest").resolve().glob("gatfan_*")
    return found


def test_a_run_exports_its_model_and_is_listed_as_the_champion(ran_project: Path) -> None:
    folder, models = find_model(ran_project), ran_project / "data" / "06_models"
    score = json.loads((folder.parent / "metrics.json").read_text())["split"]["test"]["h1"]
    exported = json.loads((folder.parent / "exported_model.json").read_text())
    (row,) = (line for line in (models.parent / "EXPERIMENTS.md").read_text().splitlines() if folder.name in line)

    book = score["long_short"]["net_sharpe"]
    assert folder.name == f"gatfan_{folder.parent.name[:8]}_Sharpe{book:.2f}"
    assert exported == {"run": folder.parent.name, "folder": folder.name, "score": book}
    assert f"| {folder.parent.name} | 1 |" in row
    assert row.endswith(f" | {folder.name} | champion |")
    with sqlite3.connect(ran_project / "mlflow.db") as store:
        assert {value for (value,) in store.execute("select value from tags where key = 'workspace'")} == {"simulated"}
        assert {alias for (alias,) in store.execute("select alias from registered_model_aliases")} == {"champion"}


def test_a_card_holds_the_parameters_of_the_training_and_not_the_current_ones(ran_project: Path) -> None:
    before = (find_model(ran_project) / "model.json").read_text()
    others = f"{SMALL},graph.neighbours=3,universe.min_history=100"
    kedro(ran_project, "run", "--no-cache", "--pipelines", "export", "--params", others)

    card = json.loads((find_model(ran_project) / "model.json").read_text())
    assert card["inputs"] == json.loads(before)["inputs"]
    assert card["inputs"]["graph"]["neighbours"] == 10


def test_a_run_without_a_checkpoint_exports_nothing(ran_project: Path) -> None:
    checkpoint = find_model(ran_project).parent / "best.pt"
    checkpoint.rename(checkpoint.with_name("moved.pt"))
    try:
        output = kedro(ran_project, "run", "--no-cache", "--pipelines", "export", "--params", SMALL, fails=True)
    finally:
        checkpoint.with_name("moved.pt").rename(checkpoint)

    assert f"Error: There is no checkpoint at {checkpoint}" in output
