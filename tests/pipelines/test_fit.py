"""Test the tables of the network's weights."""

from pathlib import Path

import polars as pl
import pytest

pytestmark = pytest.mark.slow


def test_the_weights_of_the_network_are_tabulated_by_day(ran_project: Path) -> None:
    reports = ran_project / "data" / "06_models" / "runs" / "latest"
    weights = pl.read_parquet(reports / "feature_weights.parquet")

    assert weights.group_by("date").agg(pl.col("weight").mean())["weight"].to_list() == pytest.approx(
        [1.0] * weights["date"].n_unique(), abs=1e-3
    )
    for name in ("lag_weights", "neighbour_weights", "frequency_weights"):
        assert pl.read_parquet(reports / f"{name}.parquet").height
