"""Graphs: the slow way's correlations, the same edges however the rows lie, and nothing of the future."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from atft_kedro.graph import neighbours as choice
from atft_kedro.graph.daily import build_graphs
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.returns import read_returns
from atft_kedro.market.simulation import SimulatedMarket
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.universe import UniverseParams, select_universe
from atft_kedro.params import InputError
from atft_kedro.reporting.graph_figures import measure_turnover
from factories.datasets import make_graphs
from factories.params import make_params

PARAMS = make_params(GraphParams, neighbours=5, window=120, min_observations=40, half_life=30, floor=0.0, shrinkage=0.0)


@pytest.mark.parametrize("kind", ["correlation", "sector", "random"])
def test_shuffled_rows_give_the_same_edges(ml_dataset: pl.DataFrame, kind: Any) -> None:
    params = PARAMS.model_copy(update={"kind": kind})

    shuffled = make_graphs(ml_dataset.sample(fraction=1, shuffle=True, seed=2), params)

    assert_frame_equal(shuffled, make_graphs(ml_dataset, params))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_renamed_stocks_have_the_same_neighbours_under_their_new_names(ml_dataset: pl.DataFrame, seed: int) -> None:
    codes = ml_dataset["code"].unique().sort()
    renamed = dict(zip(codes, codes.sample(fraction=1, shuffle=True, seed=seed), strict=True))
    params = PARAMS.model_copy(update={"refresh_days": 60})

    mine = make_graphs(ml_dataset, params).with_columns(pl.col("code", "neighbour").replace(renamed))
    theirs = make_graphs(ml_dataset.with_columns(pl.col("code").replace(renamed)), params)

    order = ["graph_date", "code", "rank"]
    assert_frame_equal(mine.sort(order), theirs.sort(order), abs_tol=1e-5)


@pytest.mark.parametrize("kind", ["correlation", "sector", "random"])
def test_later_prices_change_no_graph(ml_dataset: pl.DataFrame, kind: Any) -> None:
    params, universe = PARAMS.model_copy(update={"kind": kind}), make_params(UniverseParams, min_price=20)
    edges = make_graphs(ml_dataset, params, universe)
    cut = edges["graph_date"].unique().sort()[20]
    later = pl.col("date") > cut
    shocked = ml_dataset.with_columns(
        pl.when(later).then(pl.col(name) * (1 + pl.col("code").hash(1) % 7)).otherwise(pl.col(name)).alias(name)
        for name in ("close", "volume")
    )
    upto = edges.filter(pl.col("graph_date") <= cut)

    assert make_graphs(shocked, params, universe).filter(pl.col("graph_date") <= cut).equals(upto)
    assert make_graphs(ml_dataset.filter(~later), params, universe).equals(upto)
    assert not make_graphs(shocked, params, universe).equals(edges)


def test_a_price_that_stood_still_has_no_neighbours(ml_dataset: pl.DataFrame) -> None:
    still = ml_dataset["code"].unique().sort()[:2].implode()
    frame = ml_dataset.with_columns(
        pl.when(pl.col("code").is_in(still)).then(50.0).otherwise(pl.col("close")).alias("close")
    )

    edges = make_graphs(frame, PARAMS)

    assert not set(edges["code"]) & set(still.explode())
    assert not set(edges["neighbour"]) & set(still.explode())


def test_stocks_with_little_history_are_alone(ml_dataset: pl.DataFrame) -> None:
    first = ml_dataset["date"].unique().sort()

    edges = make_graphs(ml_dataset, PARAMS)

    listed = dict(ml_dataset.group_by("code").agg(pl.col("date").min()).iter_rows())
    for code, when in edges.select("code", "graph_date").iter_rows():
        seen = ml_dataset.filter(pl.col("code") == code, pl.col("date") <= when).height
        assert seen > 40, (code, listed[code], when)
    assert edges["graph_date"].min() == first[40]


def test_the_floor_the_sign_and_the_shrinkage_do_what_they_say(ml_dataset: pl.DataFrame) -> None:
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
    assert measure_turnover(whole.lazy())["turnover"].mean() < 0.1  # type: ignore[operator]
    kept = whole.join(fewer, on=["graph_date", "code", "neighbour"], how="semi").height
    assert kept > 0.7 * whole.height


def test_one_wrong_price_outside_the_universe_moves_no_graph(ml_dataset: pl.DataFrame) -> None:
    universe = make_params(UniverseParams, min_price=1)
    junk = ml_dataset["code"][0]
    day = ml_dataset["date"].unique().sort()[250]
    hit = (pl.col("code") == junk) & (pl.col("date") == day)
    outside = ml_dataset.with_columns(close=pl.when(pl.col("code") == junk).then(1e-9).otherwise("close"))

    plain = make_graphs(outside, PARAMS, universe)
    edges = make_graphs(outside.with_columns(close=pl.when(hit).then(0.9).otherwise("close")), PARAMS, universe)

    assert edges.equals(plain)


def test_random_graphs_are_random_and_repeatable(ml_dataset: pl.DataFrame) -> None:
    params = PARAMS.model_copy(update={"kind": "random"})

    one, again = make_graphs(ml_dataset, params), make_graphs(ml_dataset, params)
    other = make_graphs(ml_dataset, params.model_copy(update={"seed": 8}))

    assert one.equals(again)
    assert not one.equals(other)
    assert not (one["code"] == one["neighbour"]).any()
    assert one.group_by("graph_date", "code").agg(pl.col("neighbour").n_unique())["neighbour"].unique().to_list() == [5]
    drawn = one.group_by("neighbour").len()["len"]
    assert drawn.len() == one["code"].n_unique()  # everybody is somebody's


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


def test_pieces_of_the_matrix_are_as_good_as_the_whole(
    ml_dataset: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_graphs(ml_dataset, PARAMS)
    monkeypatch.setattr(choice, "STOCKS_AT_ONCE", 7)

    assert_frame_equal(make_graphs(ml_dataset, PARAMS), whole, abs_tol=1e-6)


def test_a_dataset_without_closes_lends_its_targets(ml_dataset: pl.DataFrame) -> None:
    bare = ml_dataset.drop("close", "volume", "sector")

    edges = make_graphs(bare, PARAMS)

    plain = make_graphs(ml_dataset, PARAMS)
    shared = edges.join(plain, on=["graph_date", "code", "neighbour"], how="semi").height
    assert shared > 0.999 * plain.height
    assert edges["size_similarity"].null_count() == edges["same_sector"].null_count() == edges.height


@pytest.mark.parametrize(
    ("change", "params", "message"),
    [
        ([], {"neighbours": 30}, "graph.neighbours = 30: no day has more than 29 stocks in the universe"),
        (["sector"], {"kind": "sector"}, "has no sectors"),
        (["close", "target_1d"], {}, "has neither 'close' nor 'target_1d'"),
        ([], {"floor": 0.99}, "No graph has an edge"),
    ],
)
def test_what_cannot_be_is_said(
    ml_dataset: pl.DataFrame, change: list[str], params: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_graphs(ml_dataset.drop(change), PARAMS.model_copy(update=params))


def test_a_window_too_short_for_what_is_asked_is_refused() -> None:
    with pytest.raises(ValidationError, match="min_observations 60 do not fit a window of 20 days"):
        make_params(GraphParams, window=20)


def test_frames_come_some_graphs_at_a_time(ml_dataset: pl.DataFrame) -> None:
    index = index_observations(select_universe(ml_dataset.lazy(), make_params(UniverseParams)))
    frames = build_graphs(read_returns(ml_dataset.lazy(), index, 0), PARAMS.model_copy(update={"refresh_days": 1}))

    assert isinstance(frames, Iterator)
    assert len([frame for frame in frames if frame.height]) == 320 // 64
