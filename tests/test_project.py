"""Test whole runs of a copied project: stages, folds, tracking, and Kedro's own commands."""

import json
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from factories.project import SMALL, kedro, run_statuses, start_kedro

pytestmark = pytest.mark.slow


def test_a_first_run_creates_all_tables_and_a_second_run_none(project: Path) -> None:
    first = kedro(project, "run", "--params", SMALL)
    files = {str(file.relative_to(project / "data")) for file in (project / "data").rglob("*") if file.is_file()}
    second = kedro(project, "run", "--params", SMALL)

    assert "0 of 26 stages are fresh" in first
    assert {
        "05_model_input/ml_dataset.parquet",
        "05_model_input/panel/panel.json",
        "05_model_input/scaler.json",
        "05_model_input/graphs.parquet",
        "08_reporting/guard_report.html",
        "05_model_input/split.json",
        "stages.json",
    } <= files
    assert "26 of 26 stages are fresh" in second
    assert "Traceback" not in first + second


def test_a_changed_parameter_reruns_the_stages_that_depend_on_it(project: Path) -> None:
    guard_only = kedro(project, "run", "--params", f"{SMALL},guard.leak.max_ic=0.5")

    assert "3 of 26 stages are fresh" in guard_only
    assert "stage prepare.select_universe will run: guard.require_no_error has to run" in guard_only
    assert "stage guard.inspect_dataset will run: params:guard changed" in guard_only


def test_walk_forward_plans_and_plots_its_folds(project: Path) -> None:
    folds = "folds.train_days=150,folds.validation_days=60,folds.n_folds=2"
    kedro(
        project,
        "run",
        "--pipelines",
        "walk_forward",
        "--to-nodes",
        "walk_forward.plot_folds",
        "--params",
        f"{SMALL},{folds}",
    )
    refused = kedro(project, "run", "--pipelines", "walk_forward", "--params", SMALL, fails=True)

    planned = json.loads((project / "data" / "05_model_input" / "folds.json").read_text())
    figure = json.loads((project / "data" / "08_reporting" / "folds.json").read_text())
    assert [fold["name"] for fold in planned["folds"]] == ["fold 1", "fold 2"]
    assert {"train", "embargo", "purge", "validation", "test"} <= {trace["name"] for trace in figure["data"]}
    assert "Error: 5 folds do not fit the data of 300 days" in refused


def test_a_relative_path_starts_in_the_projects_folder(project: Path) -> None:
    output = kedro(project / "notebooks", "run", "--env", "files", "--params", "prices=absent.csv", fails=True)

    assert f"{project / 'absent.csv'} does not exist" in output
    assert "Traceback" not in output


def test_a_tracked_run_has_its_parameters_and_its_final_status(project: Path) -> None:
    kedro(project, "run", "--no-cache", "--pipelines", "train", "--params", SMALL)
    kedro(project, "run", "--pipelines", "train", "--params", f"{SMALL},guard.recency.historical=false", fails=True)

    with sqlite3.connect(project / "mlflow.db") as store:
        params = dict(store.execute("select key, value from params"))
    assert run_statuses(project)[-2:] == ["FINISHED", "FAILED"]
    assert params["features.set"] == "core"
    assert params["guard.leak.max_ic"] == "0.4"


def test_a_terminated_run_has_the_status_killed(project: Path) -> None:
    large = "market.stocks=600,market.days=900,features.set=wide,training.epochs=1"
    before = len(run_statuses(project))
    process = start_kedro(project, "run", "--no-cache", "--pipelines", "train", "--params", large)
    deadline = time.monotonic() + 60
    while len(run_statuses(project)) == before and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1)
    process.terminate()
    process.join(60)

    assert process.exitcode == 128 + signal.SIGTERM
    assert run_statuses(project)[-1] == "KILLED"


def test_kedros_own_commands_work(project: Path) -> None:
    listed = kedro(project, "registry", "list")
    assert (
        "- __default__ - data - evaluate - export - fit - graph - guard - hpo - monitor - positions - predict" in listed
    )
    assert "- prepare - refit - retrain - train - walk_forward" in listed
    assert "datasets.table.TableDataset" in kedro(project, "catalog", "describe-datasets", "--env", "files,safe")
    assert "--no-cache" in kedro(project, "run", "--help")
    assert "Show which stages are fresh" in kedro(project, "atft", "--help")
