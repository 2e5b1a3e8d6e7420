"""Test ``kedro atft doctor`` on a fresh project."""

import json
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from factories.project import KEDRO, environment, kedro

pytestmark = pytest.mark.slow


def _files(project: Path) -> set[str]:
    return {str(file) for file in project.rglob("*") if "__pycache__" not in file.parts}


def test_without_errors_it_prints_json_only_and_creates_nothing(project: Path, ml_dataset: pl.DataFrame) -> None:
    path = project / "data" / "05_model_input" / "ml_dataset.parquet"
    path.parent.mkdir(parents=True)
    ml_dataset.write_parquet(path)
    (project / "data" / "stages.json").write_text("[]")  # which the cache cannot read
    before = _files(project)

    process = subprocess.run(
        [KEDRO, "atft", "doctor", "--json"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env=environment(project),
        timeout=120,
    )

    report = json.loads(process.stdout)
    found = {check["name"]: check for check in report["checks"]}
    assert process.returncode == 0, process.stderr
    assert report["severity"] == "warn"
    assert "cannot be read" in process.stderr
    assert found["ml_dataset"]["severity"] == "ok"
    assert found["days"]["message"].startswith(f"{ml_dataset.height:,} rows from 2016-01-04")
    assert found["panel"]["advice"] == ["kedro run --pipelines prepare"]
    assert found["stages"]["message"].startswith("0 of 26 are fresh; data.clean_prices: it never finished")
    assert {found[name]["severity"] for name in ("packages", "parameters", "catalog", "folders", "tracking")} == {"ok"}
    assert _files(project) == before


def test_wrong_parameters_do_not_hide_the_rest(project: Path) -> None:
    output = kedro(project, "atft", "doctor", "--json", "--params", "market.stoks=3,data_root=elsewhere", fails=True)

    found = {check["name"]: check for check in json.loads(output[output.index("{") :])["checks"]}
    assert found["parameters"]["severity"] == "error"
    assert "market.stoks = 3: unknown; did you mean stocks? — --params" in found["parameters"]["message"]
    assert found["ml_dataset"] == {
        "name": "ml_dataset",
        "severity": "warn",
        "message": "elsewhere/05_model_input/ml_dataset.parquet does not exist",
        "advice": ["kedro run --pipelines data --params market.stoks=3,data_root=elsewhere"],
    }
    assert {"python", "git", "folders", "tracking", "runs", "panel"} <= found.keys()
    assert "catalog" not in found  # it is built from these parameters


def test_everything_broken_is_listed(project: Path) -> None:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    local = project / "conf" / "local"
    (local / "mlflow.yml").write_text(f"server: {{mlflow_tracking_uri: 'http://127.0.0.1:{port}'}}")
    own = "{type: atft_kedro.datasets.TableDataset, filepath: nowhere.parquet, read_only: true}"
    (local / "catalog.yml").write_text(f"ml_dataset: {own}\nreport: {{type: no.Such}}")
    (project / "data" / "08_reporting").write_text("not a folder")
    lines = (project / "pyproject.toml").read_text().replace('"polars~=2.1"', '"polars<1", "nosuchpackage"')
    (project / "pyproject.toml").write_text(lines)
    (project / "constraints.txt").write_text("rich==1.0")
    (project / "data" / "06_models" / "runs").mkdir(parents=True)
    (project / "data" / "06_models" / "runs" / "latest").symlink_to("missing")

    output = kedro(project, "atft", "doctor", fails=True)

    assert "errors: 5" in output, output
    for text in (
        f"polars {pl.__version__}, needs <1; nosuchpackage is missing",
        "locked ==1.0",
        "data/08_reporting (Not a directory)",
        f"http://127.0.0.1:{port} does not answer",
        "nowhere.parquet does not exist",
        "latest does not point to a run",
        "report: An exception occurred when parsing config for dataset 'report': No module named 'no'",
        "not a git repository",
    ):
        assert text in output, output
    assert "Traceback" not in output
