"""Run folders that tests of datasets share."""

from pathlib import Path

import pytest

from atft_kedro.datasets.trained import TRAINED_RUN
from atft_kedro.training.runs import Runs, TrainedRun
from factories.catalogs import open_catalog


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two runs; the second has begun and is ``latest``, the first is the one that has been trained."""
    home = Runs(tmp_path / "06_models" / "runs", commit="", is_dirty=False)
    folders = [home.create({"seed": seed}) for seed in (1, 2)]
    open_catalog(tmp_path)[TRAINED_RUN].save(TrainedRun(run=folders[0].name, members=()))
    return folders
