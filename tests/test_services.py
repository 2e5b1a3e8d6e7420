"""The MLflow server in the background, on SQLite and on PostgreSQL."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from atft_kedro.services.mlflow_server import end_server
from factories.postgres import PASSWORD, find_free_port, running_postgres
from factories.project import SMALL, copy_project, environment, kedro

pytestmark = pytest.mark.long

AT_THE_SERVER = """
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
def own_project(tmp_path: Path) -> Iterator[Path]:
    """A project with nothing run, whose server is ended whatever happens."""
    project = copy_project(tmp_path / "atft")
    yield project
    end_server(project)


def ask(port: int, path: str, question: dict[str, Any] | None = None) -> bytes:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/{path}",
        data=None if question is None else json.dumps(question).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        told: bytes = answer.read()
    return told


def find_run(port: int) -> dict[str, Any]:
    (run,) = json.loads(ask(port, "api/2.0/mlflow/runs/search", {"experiment_ids": ["1"]}))["runs"]
    found: dict[str, Any] = run["info"]
    return found


def fetch(port: int, artifact: str) -> bytes:
    return ask(port, f"get-artifact?run_id={find_run(port)['run_id']}&path={artifact}")


def test_the_server_shows_what_ran_before_it_was_up_and_is_down_when_told(ran_project: Path, port: int) -> None:
    said = kedro(ran_project, "atft", "mlflow", "up", "--port", str(port))
    try:
        state, report = find_run(port)["status"], fetch(port, "report.html")
        refused = kedro(ran_project, "atft", "mlflow", "up", "--port", str(port), fails=True)
    finally:
        down = kedro(ran_project, "atft", "mlflow", "down")

    assert f"MLflow is up at http://127.0.0.1:{port} (store sqlite:///mlflow.db" in said
    assert state == "FINISHED"
    assert report == (ran_project / "data/06_models/runs/latest/report.html").read_bytes()
    assert f"already up at http://127.0.0.1:{port}" in refused
    assert "Traceback" not in refused
    assert f"MLflow is down, it was at http://127.0.0.1:{port}." in down
    assert not [each for each in psutil.process_iter(["cmdline"]) if str(port) in (each.info["cmdline"] or [])]
    assert "MLflow is not up." in kedro(ran_project, "atft", "mlflow", "down")


def test_runs_are_tracked_by_a_server_on_postgresql_whose_password_nobody_sees(own_project: Path, port: int) -> None:
    local = own_project / "conf" / "local"
    local.mkdir(exist_ok=True)
    (local / "mlflow.yml").write_text(AT_THE_SERVER.format(port=port))
    with running_postgres(own_project) as store:
        (local / "credentials.yml").write_text(f"mlflow_store: {store}")
        said = kedro(own_project, "atft", "mlflow", "up", "--port", str(port))
        seen = " ".join(" ".join(each.info["cmdline"] or []) for each in psutil.process_iter(["cmdline"]))
        said += kedro(own_project, "run", "--params", SMALL)
        run, report = find_run(port), fetch(port, "report.html")
        end_server(own_project)

    assert "(store postgresql+psycopg://atft:***@127.0.0.1" in said
    assert run["status"] == "FINISHED"
    assert run["artifact_uri"].startswith("mlflow-artifacts:/")
    assert report == (own_project / "data/06_models/runs/latest/report.html").read_bytes()
    assert (own_project / "data/06_models/runs/latest/registered_model.json").exists()
    assert not (own_project / "mlflow.db").exists()
    assert "View run" not in said
    assert PASSWORD not in seen + said
    ours = {local, own_project / "tests"}
    files = [file for file in own_project.rglob("*") if file.is_file() and ours.isdisjoint(file.parents)]
    assert not [file for file in files if PASSWORD.encode() in file.read_bytes()]


def test_nothing_is_reported_to_anyone(own_project: Path) -> None:
    ask_settings = (
        "from pathlib import Path; from kedro.framework.startup import bootstrap_project;"
        "bootstrap_project(Path.cwd()); from kedro.framework.project import settings; settings.HOOKS;"
        "from mlflow.telemetry.client import get_telemetry_client;"
        "print(get_telemetry_client(), *settings.DISABLE_HOOKS_FOR_PLUGINS)"
    )
    silenced = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY")
    plain = {name: value for name, value in environment(own_project).items() if name not in silenced}

    said = subprocess.check_output([sys.executable, "-c", ask_settings], cwd=own_project, env=plain, text=True)

    assert said.splitlines()[-1] == "None kedro_mlflow kedro-telemetry"
