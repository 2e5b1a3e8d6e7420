"""Selection of neighbours by correlation, by sector and size, or at random."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from atft_kedro.graph import neighbours as choice
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.market.simulation import SimulatedMarket
from atft_kedro.reporting.graph_figures import measure_new_neighbours
from factories.datasets import make_graphs
from factories.params import make_params
from factories.plugins import plugin_package

PARAMS = make_params(GraphParams, neighbours=5, window=120, min_observations=40, half_life=30, floor=0.0, shrinkage=0.0)


def test_floor_sign_and_shrinkage_have_their_documented_effect(ml_dataset: pl.DataFrame) -> None:
    plain = make_graphs(ml_dataset, PARAMS)
    floored = make_graphs(ml_dataset, PARAMS.model_copy(update={"floor": 0.2}))
    signed = make_graphs(ml_dataset, PARAMS.model_copy(update={"sign": "signed"}))
    shrunk = make_graphs(ml_dataset, PARAMS.model_copy(update={"shrinkage": 0.25}))

    assert floored["correlation"].abs().min() > 0.2  # type: ignore[operator]
    assert floored.height < plain.height
    assert floored.equals(plain.filter(pl.col("correlation").abs() > 0.2))
    assert plain["correlation"].min() < 0 < signed["correlation"].min()  # type: ignore[operator]
    assert np.allclose(shrunk["correlation"], plain["correlation"] * 0.75, atol=1e-6)


def test_sector_graphs_take_the_nearest_in_size_of_the_same_sector(ml_dataset: pl.DataFrame) -> None:
    edges = make_graphs(ml_dataset, PARAMS.model_copy(update={"kind": "sector", "neighbours": 2}))

    assert edges["same_sector"].all()
    similar = edges.group_by("graph_date", "code").agg(pl.col("size_similarity").sort_by("rank"))["size_similarity"]
    assert all(values.is_sorted(descending=True) for values in similar)


def test_a_random_graph_is_the_real_one_with_other_neighbours_drawn_once(ml_dataset: pl.DataFrame) -> None:
    real = make_graphs(ml_dataset, PARAMS.model_copy(update={"floor": 0.2}))
    random = make_graphs(ml_dataset, PARAMS.model_copy(update={"floor": 0.2, "kind": "random"}))
    plain = PARAMS.model_copy(update={"kind": "random"})
    whole = make_graphs(ml_dataset, plain)
    fewer = make_graphs(ml_dataset.filter(pl.col("code") != ml_dataset["code"][0]), plain)

    assert random.drop("neighbour").equals(real.drop("neighbour"))
    assert random.join(real, on=["graph_date", "code", "neighbour"], how="semi").height < 0.5 * real.height
    assert measure_new_neighbours(whole.lazy())["share_of_new_neighbours"].mean() < 0.1  # type: ignore[operator]
    kept = whole.join(fewer, on=["graph_date", "code", "neighbour"], how="semi").height
    assert kept > 0.7 * whole.height


def test_random_graphs_are_random_and_repeatable(ml_dataset: pl.DataFrame) -> None:
    params = PARAMS.model_copy(update={"kind": "random"})

    one, again = make_graphs(ml_dataset, params), make_graphs(ml_dataset, params)
    other = make_graphs(ml_dataset, params.model_copy(update={"seed": 8}))

    assert one.equals(again)
    assert not one.equals(other)
    assert not (one["code"] == one["neighbour"]).any()
    assert one.group_by("graph_date", "code").agg(pl.col("neighbour").n_unique())["neighbour"].unique().to_list() == [5]
    drawn = one.group_by("neighbour").len()["len"]
    assert drawn.len() == one["code"].n_unique()  # every stock is a neighbour


def test_the_hidden_neighbours_are_found_and_a_random_graph_does_not_find_them(
    market: SimulatedMarket, ml_dataset: pl.DataFrame
) -> None:
    """A planted neighbour shares its cluster's shocks, so correlation leads to it."""
    hidden = market.neighbours.select("code", "neighbour")
    share = {}
    for kind in ("correlation", "random"):
        edges = make_graphs(ml_dataset, PARAMS.model_copy(update={"kind": kind, "neighbours": 8, "sign": "signed"}))
        newest = edges.filter(pl.col("graph_date") == pl.col("graph_date").max())
        listed = newest["code"].unique().implode()
        alive = hidden.filter(pl.col("code").is_in(listed), pl.col("neighbour").is_in(listed))
        share[kind] = alive.join(newest, on=["code", "neighbour"], how="semi").height / alive.height
        assert alive.height > 50

    assert share["correlation"] > 0.6
    assert share["random"] < 0.45


def test_batches_of_the_matrix_give_the_same_edges(ml_dataset: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_graphs(ml_dataset, PARAMS)
    monkeypatch.setattr(choice, "STOCKS_AT_ONCE", 7)

    assert_frame_equal(make_graphs(ml_dataset, PARAMS), whole, abs_tol=1e-6)


def test_a_window_shorter_than_min_observations_is_refused() -> None:
    with pytest.raises(ValidationError, match="min_observations 60 do not fit a window of 20 days"):
        make_params(GraphParams, window=20)


def test_a_plugin_scores_the_pairs(ml_dataset: pl.DataFrame) -> None:
    name = "own_plugins.graphs:same_size"
    with plugin_package(name):
        edges = make_graphs(ml_dataset, make_params(GraphParams, kind=name, neighbours=3, window=120))

    similar = edges.group_by("graph_date", "code").agg(pl.col("size_similarity").sort_by("rank"))["size_similarity"]
    assert all(values.is_sorted(descending=True) for values in similar)
    assert not edges["same_sector"].all()


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        ValidationError,
        match="is neither correlation, sector, random nor an installed plug-in.*Install its",
    ):
        make_params(GraphParams, kind="correlaton")
