"""The doctor as a person calls it, on a project of its own."""

import json
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from factories.project import KEDRO, environment

pytestmark = pytest.mark.slow


def _ask(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [KEDRO, "atft", "doctor", *words]
    return subprocess.run(
        command, cwd=project, capture_output=True, text=True, check=False, env=environment(project), timeout=120
    )


def _files(project: Path) -> set[str]:
    return {str(file) for file in project.rglob("*") if "__pycache__" not in file.parts}


def test_without_errors_it_exits_with_0_prints_json_alone_and_makes_nothing(
    project: Path, ml_dataset: pl.DataFrame
) -> None:
    place = project / "data" / "05_model_input" / "ml_dataset.parquet"
    place.parent.mkdir(parents=True)
    ml_dataset.write_parquet(place)
    (project / "data" / "stages.json").write_text("[]")  # which the cache complains of
    before = _files(project)

    done = _ask(project, "--json")

    told = json.loads(done.stdout)
    found = {check["name"]: check for check in told["checks"]}
    assert done.returncode == 0, done.stderr
    assert told["state"] == "warn"
    assert "cannot be read" in done.stderr
    assert found["ml_dataset"]["state"] == "ok"
    assert found["days"]["found"].startswith(f"{ml_dataset.height:,} rows from 2016-01-04")
    assert found["panel"]["advice"] == "kedro run --pipelines prepare"
    assert found["stages"]["found"].startswith("0 of 26 are fresh; clean_prices: it never finished")
    assert {found[name]["state"] for name in ("packages", "parameters", "catalog", "folders", "tracking")} == {"ok"}
    assert _files(project) == before


def test_wrong_parameters_do_not_hide_the_rest(project: Path) -> None:
    done = _ask(project, "--json", "--params", "market.stoks=3,data_root=elsewhere")

    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert found["parameters"]["state"] == "error"
    assert "market.stoks = 3: unknown; did you mean stocks? — --params" in found["parameters"]["found"]
    assert found["ml_dataset"] == {
        "name": "ml_dataset",
        "state": "warn",
        "found": "elsewhere/05_model_input/ml_dataset.parquet does not exist",
        "advice": "kedro run --pipelines data",
    }
    assert {"python", "git", "folders", "tracking", "runs", "panel"} <= found.keys()
    assert "catalog" not in found  # which is made of these parameters


def test_whatever_is_broken_is_named(project: Path) -> None:
    with closing(socket.socket()) as asked:
        asked.bind(("127.0.0.1", 0))
        port = asked.getsockname()[1]
    local = project / "conf" / "local"
    (local / "mlflow.yml").write_text(f"server: {{mlflow_tracking_uri: 'http://127.0.0.1:{port}'}}")
    own = "{type: atft_kedro.datasets.TableDataset, filepath: nowhere.parquet, read_only: true}"
    (local / "catalog.yml").write_text(f"ml_dataset: {own}\nreport: {{type: no.Such}}")
    (project / "data" / "08_reporting").write_text("not a folder")
    lines = (project / "pyproject.toml").read_text().replace('"polars~=2.1"', '"polars<1", "nosuchthing"')
    (project / "pyproject.toml").write_text(lines)
    (project / "constraints.txt").write_text("rich==1.0")
    (project / "data" / "06_models" / "runs").mkdir(parents=True)
    (project / "data" / "06_models" / "runs" / "latest").symlink_to("gone")

    done = _ask(project)

    assert done.returncode == 1
    assert "errors: 5" in done.stdout, done.stdout
    for named in (
        f"polars {pl.__version__}, needs <1; nosuchthing is missing",
        "locked ==1.0",
        "data/08_reporting (Not a directory)",
        f"http://127.0.0.1:{port} does not answer",
        "nowhere.parquet does not exist",
        "latest points at no run",
        "report: An exception occurred when parsing config for dataset 'report': No module named 'no'",
        "not a git repository",
    ):
        assert named in done.stdout, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
