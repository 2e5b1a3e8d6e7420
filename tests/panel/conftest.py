"""Panels on disk: of a whole market, and of one with gaps."""

from pathlib import Path

import polars as pl
import pytest

from atft_kedro.panel.store import Panel
from atft_kedro.panel.universe import UniverseParams
from factories.datasets import make_panel
from factories.params import make_params


@pytest.fixture
def panel(ml_dataset: pl.DataFrame, tmp_path: Path) -> Panel:
    return make_panel(ml_dataset, tmp_path / "panel")


@pytest.fixture(scope="module")
def gappy_rows(ml_dataset: pl.DataFrame) -> pl.DataFrame:
    """Remove a third of the days of every fifth stock."""
    has_gaps = pl.col("code").hash(3) % 5 == 0
    return ml_dataset.filter(~has_gaps | (pl.col("date").hash(5) % 3 > 0))


@pytest.fixture(scope="module")
def gappy_panel(gappy_rows: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Panel:
    return make_panel(
        gappy_rows, tmp_path_factory.mktemp("blocks") / "panel", make_params(UniverseParams, min_history=3)
    )
