"""Test the figures of the graphs."""

from datetime import date

import polars as pl
import pytest

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.reporting.graph_figures import measure_new_neighbours, plot_graph, plot_new_neighbours
from factories.datasets import make_graphs
from factories.params import make_params

PARAMS = make_params(GraphParams, neighbours=5, window=120, min_observations=40, half_life=30, floor=0.0, shrinkage=0.0)


def test_a_pair_is_new_if_the_graph_before_does_not_contain_it() -> None:
    days = [date(2020, 1, 1), date(2020, 1, 8), date(2020, 1, 15)]
    pairs = [["ab", "ac", "bc"], ["ab", "ac", "bd"], ["xb", "xc", "bd"]]
    edges = pl.DataFrame(
        [
            {"graph_date": day, "code": pair[0], "neighbour": pair[1]}
            for day, pairs_of_day in zip(days, pairs, strict=True)
            for pair in pairs_of_day
        ]
    )

    shares = measure_new_neighbours(edges.lazy())

    assert shares["graph_date"].to_list() == days[1:]
    assert shares["share_of_new_neighbours"].to_list() == pytest.approx([1 / 3, 2 / 3])
    assert plot_new_neighbours(shares).data[0].y == pytest.approx([1 / 3, 2 / 3])


def test_the_figure_shows_the_newest_graph(ml_dataset: pl.DataFrame) -> None:
    edges = make_graphs(ml_dataset, PARAMS)

    figure = plot_graph(edges.lazy())

    assert str(edges["graph_date"].max()) in figure.layout.title.text
    assert (
        len(figure.data[2].x)
        == edges.filter(pl.col("graph_date") == pl.col("graph_date").max())["neighbour"].n_unique()
    )
