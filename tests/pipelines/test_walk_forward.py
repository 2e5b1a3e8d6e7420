"""A walk from the command line: uninterrupted, interrupted, with a killed fold, and repeated."""

import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import psutil
import pytest

from atft_kedro.reporting.position_figures import POSITION_FIGURES
from factories.processes import wait_for
from factories.project import KEDRO, SMALL, environment, kedro, run_statuses

pytestmark = pytest.mark.long
WALK = f"{SMALL},folds.train_days=150,folds.validation_days=60,folds.n_folds=2,walk_forward.processes=2"
LONG_WALK = f"{WALK.replace('epochs=1', 'epochs=10')},training.seed=8"


def run(project: Path, params: str, fails: bool = False) -> str:
    return kedro(project, "run", "--pipelines", "walk_forward", "--params", params, fails=fails)


def test_one_command_runs_a_walk_and_a_second_one_does_nothing(project: Path) -> None:
    first = run(project, WALK)
    second = run(project, WALK)
    table = kedro(project, "atft", "folds", "--params", WALK)

    data = project / "data"
    score = json.loads((data / "08_reporting" / "walk_score.json").read_text())
    forecasts = pl.read_parquet(data / "07_model_output" / "walk_forecasts.parquet")
    summary = (data / "08_reporting" / "walk.md").read_text()
    assert re.search(r"\b0 of \d+ stages are fresh", first)
    assert "fold 1 done in" in first
    assert re.search(r"\b(\d+) of \1 stages are fresh", second)
    assert [fold["fold"]["name"] for fold in score["folds"]] == ["fold 1", "fold 2"]
    assert forecasts.select("date", "code", "horizon").is_unique().all()
    assert forecasts["date"].min() == pl.Series([score["folds"][0]["fold"]["tested"][0]["first"]]).str.to_date()[0]
    assert f"| all | {' to '.join(score['days'])} | {score['pooled']['h1']['ic']['days']} |" in summary
    assert table.count("fold 1") == table.count("fold 2") == 8  # of four horizons, from two entries
    with sqlite3.connect(project / "mlflow.db") as store:
        metrics = dict(store.execute("select key, value from metrics where step = 0"))
        steps = [row[0] for row in store.execute("select step from metrics where key = 'fold/ic_1d' order by step")]
    assert metrics["walk/rank_ic_5d"] == pytest.approx(score["pooled"]["h5"]["rank_ic"]["mean"])
    assert steps == [1, 2]
    assert len(list((data / "08_reporting").glob("walk_position_*.json"))) == len(POSITION_FIGURES)
    assert len(list((project / "mlartifacts").glob("*/artifacts/walk.*"))) == 2


@contextmanager
def running_walk(project: Path) -> Iterator[tuple[subprocess.Popen[str], list[Path]]]:
    """Run a long walk until both folds have checkpoints."""
    folders = project / "data" / "06_models" / "walk_forward"
    process = subprocess.Popen(
        [KEDRO, "run", "--pipelines", "walk_forward", "--params", LONG_WALK],
        cwd=project,
        env=environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def find_training() -> list[Path]:
        children = {child.pid for child in psutil.Process(process.pid).children()}
        heartbeats = sorted(folders.glob("2*/latest/heartbeat.json"))
        return [heartbeat.parents[1] for heartbeat in heartbeats if pid_of(heartbeat.parents[1]) in children]

    def have_checkpoints() -> bool:
        fold_folders = find_training()
        return len(fold_folders) == 2 and all(list(folder.glob("latest/last.pt")) for folder in fold_folders)

    try:
        wait_for(have_checkpoints, seconds=240)
        yield process, find_training()
    finally:
        process.kill()
        process.wait()


def pid_of(folder: Path) -> int:
    return int(json.loads((folder / "latest" / "heartbeat.json").read_text())["pid"])


def test_an_interrupted_walk_that_loses_a_fold_is_finished_by_the_same_command(project: Path) -> None:
    with running_walk(project) as (process, fold_folders):
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
        left = [pid for folder in fold_folders if psutil.pid_exists(pid := pid_of(folder))]
        states = [json.loads((folder / "latest" / "heartbeat.json").read_text())["state"] for folder in fold_folders]
    statuses = run_statuses(project)
    with running_walk(project) as (process, resumed_folders):
        os.kill(pid_of(resumed_folders[0]), signal.SIGKILL)
        output = process.communicate(timeout=120)[0]
    third = run(project, LONG_WALK)
    fourth = run(project, LONG_WALK)

    assert code == 128 + signal.SIGTERM
    assert left == []
    assert states == ["stopped", "stopped"]
    assert statuses[-1] == "KILLED"
    assert resumed_folders == fold_folders
    assert process.returncode == 1
    assert "Error: 1 of 2 folds failed:\n  fold 1: killed by SIGKILL" in output
    assert "The same command trains only the failed folds again." in output
    assert "Traceback" not in output
    assert "fold 2 is already finished" in third
    assert "fold 1 done in" in third
    assert re.search(r"\b(\d+) of \1 stages are fresh", fourth)
    assert [len(list(folder.glob("2*"))) for folder in fold_folders] == [1, 1]  # each fold resumed its run
