"""Test ``kedro atft mlflow`` with SQLite and PostgreSQL."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from atft_kedro.services.mlflow_server import stop_server
from factories.postgres import PASSWORD, find_free_port, running_postgres
from factories.project import SMALL, copy_project, kedro

pytestmark = pytest.mark.long

SERVER_CONFIG = """
server:
  mlflow_tracking_uri: http://127.0.0.1:{port}
tracking:
  experiment:
    create_experiment_kwargs:
      artifact_location: null
"""


@pytest.fixture
def port() -> int:
    return find_free_port()


@pytest.fixture
def fresh_project(tmp_path: Path) -> Iterator[Path]:
    """A project without runs, whose server is stopped after the test."""
    project = copy_project(tmp_path / "atft")
    yield project
    stop_server(project)


def request(port: int, path: str, body: dict[str, Any] | None = None) -> bytes:
    message = urllib.request.Request(
        f"http://127.0.0.1:{port}/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(message, timeout=60) as answer:
        content: bytes = answer.read()
    return content


def find_run(port: int) -> dict[str, Any]:
    (run,) = json.loads(request(port, "api/2.0/mlflow/runs/search", {"experiment_ids": ["1"]}))["runs"]
    info: dict[str, Any] = run["info"]
    return info


def fetch(port: int, artifact: str) -> bytes:
    return request(port, f"get-artifact?run_id={find_run(port)['run_id']}&path={artifact}")


def test_the_server_shows_earlier_runs_and_is_stopped_by_down(ran_project: Path, port: int) -> None:
    output = kedro(ran_project, "atft", "mlflow", "up", "--port", str(port))
    try:
        state, report = find_run(port)["status"], fetch(port, "report.html")
        refused = kedro(ran_project, "atft", "mlflow", "up", "--port", str(port), fails=True)
    finally:
        down = kedro(ran_project, "atft", "mlflow", "down")

    assert f"MLflow is running at http://127.0.0.1:{port} (store sqlite:///mlflow.db" in output
    assert state == "FINISHED"
    assert report == (ran_project / "data/06_models/runs/latest/report.html").read_bytes()
    assert f"already running at http://127.0.0.1:{port}" in refused
    assert "Traceback" not in refused
    assert f"MLflow at http://127.0.0.1:{port} is stopped." in down
    assert not [process for process in psutil.process_iter(["cmdline"]) if str(port) in (process.info["cmdline"] or [])]
    assert "MLflow is not running." in kedro(ran_project, "atft", "mlflow", "down")


def test_a_server_on_postgresql_tracks_runs_without_showing_its_password(fresh_project: Path, port: int) -> None:
    local = fresh_project / "conf" / "local"
    local.mkdir(exist_ok=True)
    (local / "mlflow.yml").write_text(SERVER_CONFIG.format(port=port))
    with running_postgres(fresh_project) as store:
        (local / "credentials.yml").write_text(f"mlflow_store: {store}")
        output = kedro(fresh_project, "atft", "mlflow", "up", "--port", str(port))
        commands = " ".join(" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
        output += kedro(fresh_project, "run", "--params", SMALL)
        run, report = find_run(port), fetch(port, "report.html")
        stop_server(fresh_project)

    assert "(store postgresql+psycopg://atft:***@127.0.0.1" in output
    assert run["status"] == "FINISHED"
    assert run["artifact_uri"].startswith("mlflow-artifacts:/")
    assert report == (fresh_project / "data/06_models/runs/latest/report.html").read_bytes()
    assert (fresh_project / "data/06_models/runs/latest/registered_model.json").exists()
    assert not (fresh_project / "mlflow.db").exists()
    assert "View run" not in output
    assert PASSWORD not in commands + output
    excluded = {local, fresh_project / "tests"}
    files = [file for file in fresh_project.rglob("*") if file.is_file() and excluded.isdisjoint(file.parents)]
    assert not [file for file in files if PASSWORD.encode() in file.read_bytes()]
