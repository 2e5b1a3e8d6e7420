"""Test the settings that Kedro reads."""

import subprocess
import sys
from pathlib import Path

import pytest

from factories.project import copy_project, environment

pytestmark = pytest.mark.long


def test_telemetry_of_mlflow_and_kedro_is_off(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "atft")
    script = (
        "from pathlib import Path; from kedro.framework.startup import bootstrap_project;"
        "bootstrap_project(Path.cwd()); from kedro.framework.project import settings; settings.HOOKS;"
        "from mlflow.telemetry.client import get_telemetry_client;"
        "print(get_telemetry_client(), *settings.DISABLE_HOOKS_FOR_PLUGINS)"
    )
    disabling = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY")
    variables = {name: value for name, value in environment(project).items() if name not in disabling}

    output = subprocess.check_output([sys.executable, "-c", script], cwd=project, env=variables, text=True)

    assert output.splitlines()[-1] == "None kedro_mlflow kedro-telemetry"
