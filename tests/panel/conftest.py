"""A panel on disk."""

from pathlib import Path

import polars as pl
import pytest

from atft_kedro.panel.store import Panel
from factories.datasets import make_panel


@pytest.fixture
def panel(ml_dataset: pl.DataFrame, tmp_path: Path) -> Panel:
    return make_panel(ml_dataset, tmp_path / "panel")
