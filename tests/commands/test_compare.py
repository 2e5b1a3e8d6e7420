"""Test ``kedro atft compare``."""

import shutil
from pathlib import Path

import pytest

from factories.project import SMALL, kedro


@pytest.mark.slow
def test_compare_pairs_the_runs_by_day(ran_project: Path) -> None:
    run = (ran_project / "data" / "06_models" / "runs" / "latest").resolve()
    copied = run.with_name("copied")
    shutil.copytree(run, copied)
    try:
        output = kedro(ran_project, "atft", "compare", run.name, "copied", "--split", "validation", "--params", SMALL)
        one = kedro(ran_project, "atft", "compare", run.name, "--params", SMALL, fails=True)
    finally:
        shutil.rmtree(copied)

    assert f"1 = {run.name}" in output
    assert "2 = copied" in output
    assert "validation days, forecasts that all runs have" in output
    assert "Name two or more different runs" in one
