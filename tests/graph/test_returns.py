"""Returns that graphs are computed from."""

import polars as pl

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.panel.universe import UniverseParams
from factories.datasets import make_graphs
from factories.params import make_params

PARAMS = make_params(GraphParams, neighbours=5, window=120, min_observations=40, half_life=30, floor=0.0, shrinkage=0.0)


def test_one_wrong_price_outside_the_universe_moves_no_graph(ml_dataset: pl.DataFrame) -> None:
    universe = make_params(UniverseParams, min_price=1)
    junk = ml_dataset["code"][0]
    day = ml_dataset["date"].unique().sort()[250]
    hit = (pl.col("code") == junk) & (pl.col("date") == day)
    outside = ml_dataset.with_columns(close=pl.when(pl.col("code") == junk).then(1e-9).otherwise("close"))

    plain = make_graphs(outside, PARAMS, universe)
    edges = make_graphs(outside.with_columns(close=pl.when(hit).then(0.9).otherwise("close")), PARAMS, universe)

    assert edges.equals(plain)


def test_returns_come_from_past_targets_without_closes(ml_dataset: pl.DataFrame) -> None:
    bare = ml_dataset.drop("close", "volume", "sector")

    edges = make_graphs(bare, PARAMS)

    plain = make_graphs(ml_dataset, PARAMS)
    shared = edges.join(plain, on=["graph_date", "code", "neighbour"], how="semi").height
    assert shared > 0.999 * plain.height
    assert edges["size_similarity"].null_count() == edges["same_sector"].null_count() == edges.height
