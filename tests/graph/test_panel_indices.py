"""Graphs by stock index: the newest graph of each day, with the edges of the table."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.panel_indices import index_graphs
from atft_kedro.panel.blocks import ABSENT
from atft_kedro.panel.store import Panel
from atft_kedro.params import InputError
from factories.datasets import make_graphs, make_panel
from factories.params import make_params


@pytest.fixture(scope="module")
def panel(ml_dataset: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Panel:
    return make_panel(ml_dataset, tmp_path_factory.mktemp("graphs") / "panel")


@pytest.fixture(scope="module")
def edges(ml_dataset: pl.DataFrame) -> pl.DataFrame:
    return make_graphs(ml_dataset, make_params(GraphParams, neighbours=4))


def test_every_edge_is_at_its_graph_stock_and_rank(panel: Panel, edges: pl.DataFrame) -> None:
    graphs = index_graphs(edges.lazy(), panel)

    dates, codes = edges["graph_date"].unique().sort().to_list(), panel.metadata.codes
    assert int((graphs.neighbours != ABSENT).sum()) == edges.height
    for row in edges.sample(50, seed=1).iter_rows(named=True):
        edge = dates.index(row["graph_date"]), codes.index(row["code"]), row["rank"] - 1
        assert codes[int(graphs.neighbours[edge])] == row["neighbour"]
        assert float(graphs.edges[edge][0]) == pytest.approx(row["correlation"], abs=1e-3)


def test_a_day_has_its_newest_graph_and_no_graph_before_the_first(panel: Panel, edges: pl.DataFrame) -> None:
    graphs = index_graphs(edges.lazy(), panel)

    dates = edges["graph_date"].unique().sort()
    for day, graph in zip(panel.metadata.days, graphs.graph_of.tolist(), strict=True):
        assert graph == (dates <= day).sum() - 1
    assert graphs.graph_of[0] == ABSENT


def test_the_order_of_the_table_does_not_matter(panel: Panel, edges: pl.DataFrame) -> None:
    graphs = index_graphs(edges.lazy(), panel)
    shuffled = index_graphs(edges.sample(fraction=1, shuffle=True, seed=2).lazy(), panel)

    assert graphs.neighbours.equal(shuffled.neighbours)
    assert graphs.edges.equal(shuffled.edges)


def test_a_graph_with_a_stock_that_the_panel_lacks_is_refused(
    ml_dataset: pl.DataFrame, edges: pl.DataFrame, tmp_path: Path
) -> None:
    code = edges["neighbour"][0]
    smaller = make_panel(ml_dataset.filter(pl.col("code") != code), tmp_path / "panel")

    with pytest.raises(InputError, match=f"contain the stock {code!r}, the panel does not"):
        index_graphs(edges.lazy(), smaller)


def test_graphs_after_the_last_day_of_the_panel_are_not_used(panel: Panel, edges: pl.DataFrame) -> None:
    later = edges.with_columns(pl.col("graph_date") + timedelta(days=3650))

    assert (index_graphs(later.lazy(), panel).graph_of == ABSENT).all()
