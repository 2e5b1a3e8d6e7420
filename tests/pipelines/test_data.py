"""Test that a killed run leaves no partial table."""

import os
import signal
import time
from pathlib import Path

import pytest

from factories.project import SMALL, kedro, start_kedro

pytestmark = pytest.mark.slow


def test_a_killed_run_leaves_no_partial_table_and_the_next_one_finishes(ran_project: Path) -> None:
    size = "market.stocks=250,market.days=600,features.set=alpha158"
    table = ran_project / "data" / "05_model_input" / "ml_dataset.parquet"
    before = table.read_bytes()
    process = start_kedro(ran_project, "run", "--pipelines", "data", "--params", size)
    assert process.pid is not None

    def partials() -> list[Path]:
        return list(table.parent.glob(f".{table.name}.*.partial"))

    deadline = time.monotonic() + 120
    while not partials() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGSTOP)
    refused = kedro(ran_project, "run", "--params", f"{SMALL},features.entry_lag=1", fails=True)
    listed = kedro(ran_project, "atft", "stages", "--pipeline", "data", "--params", size)
    process.kill()
    process.join()

    assert f"Process {process.pid} on" in refused  # and it is not killed while it writes
    assert ": kedro run --pipelines data --params market.stocks=250" in refused
    assert "data.build_ml_dataset │ stale │ it never finished" in listed  # who reads only does not wait
    assert len(partials()) == 1  # the kill came in the middle of writing
    assert table.read_bytes() == before
    stages = kedro(ran_project, "atft", "stages", "--pipeline", "data", "--params", size)
    assert "data.clean_prices │ fresh" in stages
    assert "data.build_ml_dataset │ stale │ it never finished" in stages
    assert "1 of 2 stages are fresh" in kedro(ran_project, "run", "--pipelines", "data", "--params", size)
    assert "2 of 2 stages are fresh" in kedro(ran_project, "run", "--pipelines", "data", "--params", size)
    assert partials() == []
