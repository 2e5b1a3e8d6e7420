"""Test that the dataset reads the panel, the graphs and the split of a folder."""

from pathlib import Path

import polars as pl

from atft_kedro.datasets import DailyGraphsDataset
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.training.data import TrainingData
from factories.datasets import make_graphs, make_panel
from factories.params import make_params


def test_the_files_of_a_folder_are_read(ml_dataset: pl.DataFrame, training_data: TrainingData, tmp_path: Path) -> None:
    make_panel(ml_dataset, tmp_path / "panel")
    make_graphs(ml_dataset, make_params(GraphParams, neighbours=4)).write_parquet(tmp_path / "graphs.parquet")
    (tmp_path / "split.json").write_text(training_data.split.model_dump_json())

    daily_graphs = DailyGraphsDataset(path=str(tmp_path), lookback=3).load()

    assert daily_graphs.panel.identity == training_data.panel.identity
    assert daily_graphs.graphs.neighbours.equal(training_data.graphs.neighbours)
    assert (daily_graphs.split, daily_graphs.lookback) == (training_data.split, 3)
