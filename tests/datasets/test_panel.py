"""Test that the panel's dataset notices a damaged file, and not a copy of the folder."""

import shutil
from pathlib import Path

import polars as pl

from atft_kedro.datasets.panel import PanelDataset
from factories.datasets import make_panel


def test_a_copied_panel_is_unchanged_and_a_missing_one_does_not_exist(ml_dataset: pl.DataFrame, tmp_path: Path) -> None:
    panel = make_panel(ml_dataset, tmp_path / "panel")
    dataset = PanelDataset(path=str(tmp_path / "panel"))
    before = dataset._describe()
    shutil.copytree(tmp_path / "panel", tmp_path / "copy" / "panel")

    assert dataset.exists()
    assert dataset.load().metadata == panel.metadata
    assert PanelDataset(path=str(tmp_path / "copy" / "panel"))._describe()["panel"] == before["panel"]
    absent = PanelDataset(path=str(tmp_path / "absent"))
    assert (absent.exists(), absent._describe()) == (False, {"panel": None})
