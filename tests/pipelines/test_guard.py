"""Test that the guard stops a run and writes its report first."""

import json
from pathlib import Path

import pytest

from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


def test_the_guard_stops_a_run_with_its_reason(ran_project: Path) -> None:
    output = kedro(ran_project, "run", "--params", f"{SMALL},guard.recency.historical=false", fails=True)

    report = json.loads((ran_project / "data" / "08_reporting" / "guard_report.json").read_text())
    assert "Error: The guard stops the run: 1 rule(s) broken. - recency: the newest day" in output
    assert "Traceback" not in output
    assert report["errors"] == 1
