"""Test that only checked data is prepared."""

from pathlib import Path

import polars as pl
import pytest

from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


def test_a_dataset_that_the_guard_has_not_seen_is_not_prepared(ran_project: Path) -> None:
    path = ran_project / "data" / "05_model_input" / "ml_dataset.parquet"
    guarded = path.read_bytes()
    leaking = pl.read_parquet(path).with_columns(ret_1="target_1d")
    leaking.write_parquet(path)
    try:
        refused = kedro(ran_project, "run", "--pipelines", "prepare", "--params", SMALL, fails=True)
        stopped = kedro(ran_project, "run", "--pipelines", "guard,prepare", "--params", SMALL, fails=True)
    finally:
        path.write_bytes(guarded)

    assert "Error: The current data has not passed the guard (guard.inspect_dataset: ml_dataset changed" in refused
    assert "Run: kedro run --pipelines guard" in refused
    assert "The guard stops the run" in stopped
