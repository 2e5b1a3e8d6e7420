"""A walk through the history as a person runs it: at once, interrupted, with a fold that dies, and again."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import psutil
import pytest

from factories.processes import wait_for
from factories.project import KEDRO, SMALL, environment, kedro, run_statuses

pytestmark = pytest.mark.long
WALK = f"{SMALL},folds.train_days=150,folds.validation_days=60,folds.n_folds=2,walk_forward.processes=2"
LONG = f"{WALK.replace('epochs=1', 'epochs=10')},training.seed=8"


def run(project: Path, params: str, fails: bool = False) -> str:
    return kedro(project, "run", "--pipelines", "walk_forward", "--params", params, fails=fails)


def test_one_command_walks_through_a_fresh_project_and_a_second_time_does_nothing(project: Path) -> None:
    first = run(project, WALK)
    second = run(project, WALK)
    told = kedro(project, "atft", "folds", "--params", WALK)

    data = project / "data"
    score = json.loads((data / "08_reporting" / "walk_score.json").read_text())
    record = pl.read_parquet(data / "07_model_output" / "walk_forecasts.parquet")
    summary = (data / "08_reporting" / "walk.md").read_text()
    assert "0 of 15 stages are fresh" in first
    assert "fold 1 done in" in first
    assert "15 of 15 stages are fresh" in second
    assert [each["fold"]["name"] for each in score["folds"]] == ["fold 1", "fold 2"]
    assert record.select("date", "code", "horizon").is_unique().all()
    assert record["date"].min() == pl.Series([score["folds"][0]["fold"]["tested"][0]["first"]]).str.to_date()[0]
    assert f"| all | {' to '.join(score['days'])} | {score['pooled']['h1']['ic']['days']} |" in summary
    assert told.count("fold 1") == told.count("fold 2") == 8  # of four horizons, from two entries
    with sqlite3.connect(project / "mlflow.db") as store:
        kept = dict(store.execute("select key, value from metrics where step = 0"))
        steps = [row[0] for row in store.execute("select step from metrics where key = 'fold/ic_1d' order by step")]
    assert kept["walk/rank_ic_5d"] == pytest.approx(score["pooled"]["h5"]["rank_ic"]["mean"])
    assert steps == [1, 2]
    assert len(list((project / "mlartifacts").glob("*/artifacts/walk.*"))) == 2


@contextmanager
def walking(project: Path) -> Iterator[tuple[subprocess.Popen[str], list[Path]]]:
    """A long walk in which both folds train and have checkpoints."""
    folders = project / "data" / "06_models" / "walk_forward"
    process = subprocess.Popen(
        [KEDRO, "run", "--pipelines", "walk_forward", "--params", LONG],
        cwd=project,
        env=environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def training() -> list[Path]:
        mine = {child.pid for child in psutil.Process(process.pid).children()}
        beats = sorted(folders.glob("2*/latest/heartbeat.json"))
        return [beat.parents[1] for beat in beats if pid_of(beat.parents[1]) in mine]

    def have_checkpoints() -> bool:
        homes = training()
        return len(homes) == 2 and all(list(home.glob("latest/last.pt")) for home in homes)

    try:
        wait_for(have_checkpoints, seconds=240)
        yield process, training()
    finally:
        process.kill()
        process.wait()


def pid_of(home: Path) -> int:
    return int(json.loads((home / "latest" / "heartbeat.json").read_text())["pid"])


def test_a_walk_is_interrupted_loses_a_fold_and_is_finished_by_the_same_command(project: Path) -> None:
    with walking(project) as (process, homes):
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
        left = [pid for home in homes if psutil.pid_exists(pid := pid_of(home))]
        states = [json.loads((home / "latest" / "heartbeat.json").read_text())["state"] for home in homes]
    statuses = run_statuses(project)
    with walking(project) as (process, homes_again):
        os.kill(pid_of(homes_again[0]), signal.SIGKILL)
        said = process.communicate(timeout=120)[0]
    third = run(project, LONG)
    fourth = run(project, LONG)

    assert code == 128 + signal.SIGTERM
    assert left == []
    assert states == ["stopped", "stopped"]
    assert statuses[-1] == "KILLED"
    assert homes_again == homes
    assert process.returncode == 1
    assert "Error: 1 of 2 folds failed:\n  fold 1: killed by SIGKILL" in said
    assert "The same command tries only these again." in said
    assert "Traceback" not in said
    assert "fold 2 has finished before" in third
    assert "fold 1 done in" in third
    assert "15 of 15 stages are fresh" in fourth
    assert [len(list(home.glob("2*"))) for home in homes] == [1, 1]  # each went on in the run that it had begun
