"""Test the nodes of the pipeline graph on a small market."""

from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.panel.universe import UniverseParams, select_universe
from atft_kedro.pipelines.graph.nodes import build_graphs, make_training_data
from factories.datasets import make_graphs, make_panel
from factories.params import make_params


def test_graphs_join_the_panel_and_the_split(ml_dataset: pl.DataFrame, tmp_path: Path) -> None:
    panel, params = make_panel(ml_dataset, tmp_path / "panel"), make_params(GraphParams, neighbours=4)
    universe = select_universe(ml_dataset.lazy(), make_params(UniverseParams)).lazy()
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)

    graphs, used_params = build_graphs(ml_dataset.lazy(), universe, 0, params)
    table = pl.concat(graphs)
    training_data = make_training_data(panel, table.lazy(), used_params, split)

    assert_frame_equal(table, make_graphs(ml_dataset, params))
    assert (training_data.split, training_data.graph_params) == (split, params)
    assert training_data.graphs.neighbours.shape[-1] == 4
