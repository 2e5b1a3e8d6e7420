"""Whole trainings by command: monitored, stopped, killed, resumed, tracked, and in several processes."""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from atft_kedro.files import read_json_lines
from atft_kedro.params import InputError
from atft_kedro.training.engine import STOPPED
from atft_kedro.training.run_status import read_status, request_stop
from factories.processes import wait_for
from factories.project import SMALL, environment, kedro, run_statuses, start_kedro

pytestmark = pytest.mark.slow
LONG = SMALL.replace("epochs=1", "epochs=400")


def test_a_killed_training_resumes_to_the_same_numbers(project: Path) -> None:
    params = SMALL.replace("epochs=1", "epochs=8")
    runs = project / "data" / "06_models" / "runs"
    kedro(project, "run", "--params", params)
    whole = json.loads((project / "data" / "06_models" / "trained_run.json").read_text())
    process = start_kedro(project, "run", "--no-cache", "--pipelines", "fit", "--params", params)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        newest = runs / "latest"
        if newest.resolve().name != whole["run"] and _epochs(newest) >= 4:
            break
        time.sleep(0.01)
    process.kill()
    process.join()
    killed = _epochs(runs / "latest")

    output = kedro(project, "run", "--pipelines", "fit", "--params", f"{params},training.resume=latest")

    resumed = json.loads((project / "data" / "06_models" / "trained_run.json").read_text())
    assert 4 <= killed < whole["members"][0]["epochs"]
    assert "resumes after step" in output
    assert resumed["run"] != whole["run"]
    assert resumed | {"run": whole["run"]} == whole
    assert _validations(runs / "latest") == _validations(runs / whole["run"])


def _validations(run: Path) -> list[dict[str, float]]:
    """List the scores of a run's epochs."""
    path = run / "metrics.jsonl"
    return [line["validation"] for line in read_json_lines(path, "validation")] if path.exists() else []


def _epochs(run: Path) -> int:
    return len(_validations(run))


def test_an_invalid_training_is_refused_before_its_first_step(project: Path) -> None:
    kedro(project, "run", "--params", SMALL)
    messages = {
        "training.resume=absent": "There is no run 'absent' in",
        "training.resume=latest,network.hidden_size=32": "was trained with other parameters",
        "training.precision=fp8": "training.precision = 'fp8'",
    }

    for params, message in messages.items():
        output = kedro(project, "run", "--no-cache", "--pipelines", "fit", "--params", f"{SMALL},{params}", fails=True)
        assert message in output
    assert "Traceback" not in output


@contextmanager
def training(project: Path, *words: str) -> Iterator[ForkServerProcess]:
    """Start a training, and wait for its first epoch."""
    runs = project / "data" / "06_models" / "runs"
    before = (runs / "latest").resolve()
    process = start_kedro(project, "run", "--no-cache", "--pipelines", "fit", "--params", LONG, *words)
    try:
        wait_for(lambda: (runs / "latest").resolve() != before and _epochs(runs / "latest") > 0, seconds=240)
        yield process
    finally:
        process.kill()
        process.join()


def test_a_training_is_monitored_and_stopped_while_others_run(project: Path) -> None:
    with training(project) as process:
        status = kedro(project, "atft", "status")
        newest = (project / "data" / "06_models" / "runs" / "latest").resolve()
        predicted = kedro(project, "run", "--pipelines", "predict", "--params", f"{SMALL},predict.days=2")
        kedro(project, "run", "--pipelines", "fit,evaluate", "--params", f"{SMALL},training.seed=2")
        second = (project / "data" / "06_models" / "runs" / "latest").resolve()
        output = kedro(project, "atft", "stop", newest.name)
        process.join(60)
    after = kedro(project, "atft", "watch", newest.name)

    assert f"training (pid {process.pid} on" in status
    assert "stopped after step" in output
    assert process.exitcode == STOPPED
    assert (newest / "last.pt").exists()
    assert not (newest / "stop").exists()
    assert run_statuses(project)[-2:] == ["KILLED", "FINISHED"]
    assert "stage predict.forecast_newest_days done" in predicted
    assert second != newest
    assert json.loads((second / "metrics.json").read_text())["run"] == second.name
    assert not (newest / "metrics.json").exists()
    assert "stopped (pid" in after
    assert "rank IC" in after
    newest_lines = (newest / "train.log").read_text().splitlines()[-8:]
    assert " ".join(" ".join(newest_lines).split()) in after


def test_a_terminated_training_ends_after_its_step_with_its_exit_code(project: Path) -> None:
    with training(project) as process:
        process.terminate()
        process.join(60)

    assert process.exitcode == STOPPED
    assert read_status((project / "data" / "06_models" / "runs" / "latest").resolve()).state == "stopped"
    assert run_statuses(project)[-1] == "KILLED"


def test_a_killed_training_is_called_dead(project: Path) -> None:
    folder = project / "data" / "06_models" / "runs" / "latest"
    with training(project) as process:
        output = kedro(project, "atft", "stop", "--now")
        process.join(60)

    assert "killed after step" in output
    assert read_status(folder.resolve()).state == "dead"
    with pytest.raises(InputError, match="is not training: it is dead after step"):
        request_stop(folder.resolve(), wait=1.0)


def test_every_epoch_and_the_run_are_tracked(project: Path) -> None:
    every_phase = SMALL.replace("training.epochs=1", "training.steps_per_phase=3")
    output = kedro(project, "run", "--no-cache", "--pipelines", "train", "--params", every_phase)

    assert "3 steps per phase test only that training runs" in " ".join(output.split())
    run = (project / "data" / "06_models" / "runs" / "latest").resolve()
    with sqlite3.connect(project / "mlflow.db") as store:
        (uuid,) = store.execute("select run_uuid from runs order by start_time desc").fetchone()
        steps = store.execute(
            "select step, value from metrics where run_uuid = ? and key = 'validation/rank_ic' order by step", [uuid]
        ).fetchall()
        tags = dict(store.execute("select key, value from tags where run_uuid = ?", [uuid]))
    assert [value for _, value in steps] == pytest.approx([scores["rank_ic"] for scores in _validations(run)])
    assert [step for step, _ in steps] == [1, 2, 3, 4, 5]
    assert tags["run"] == run.name
    assert tags["panel"] == json.loads((run / "manifest.json").read_text())["panel"]
    assert {"commit", "device"} <= set(tags)
    kept = {file.name for file in (project / "mlartifacts").glob(f"{uuid}/artifacts/*")}
    assert {"best.pt", "metrics.jsonl", "manifest.json", "summary.md", "report.html", "plots"} <= kept
    assert run.name in (project / "mlartifacts" / uuid / "artifacts" / "summary.md").read_text()
    drawn = json.loads((project / "data" / "06_models" / "runs" / "latest" / "plots" / "learning.json").read_text())
    assert [line["name"] for line in drawn["data"]] == ["1 d", "5 d", "10 d", "20 d", "train loss", "validation loss"]


def test_a_training_continues_without_its_tracking_server(project: Path) -> None:
    dead = project / "conf" / "local" / "mlflow.yml"
    dead.write_text("server: {mlflow_tracking_uri: 'http://127.0.0.1:9'}")
    try:
        output = kedro(project, "run", "--no-cache", "--pipelines", "fit", "--params", SMALL)
    finally:
        dead.unlink()

    assert "MLflow failed; the rest of the run is not tracked" in output
    assert "stage fit.fit_network done" in output
    assert "Traceback" not in output


@pytest.mark.long
def test_two_processes_train_one_run(project: Path) -> None:
    kedro(project, "run", "--params", SMALL)
    runs = project / "data" / "06_models" / "runs"
    before, tracked = len(list(runs.iterdir())), len(run_statuses(project))

    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        + ["-m", "kedro", "run", "--pipelines", "train", "--params", f"{SMALL},training.seed=5"],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(runs.iterdir())) == before + 1
    assert run_statuses(project)[tracked:] == ["FINISHED"]
    assert "0 of 25 stages" not in done.stdout
