"""Graphs do not depend on the order of rows, the names of stocks or later prices."""

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from atft_kedro.graph.daily import build_graphs
from atft_kedro.graph.neighbours import KINDS, GraphParams
from atft_kedro.graph.returns import compute_market_history
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.universe import UniverseParams, select_universe
from atft_kedro.params import InputError
from factories.datasets import make_graphs
from factories.params import make_params

PARAMS = make_params(GraphParams, neighbours=5, window=120, min_observations=40, half_life=30, floor=0.0, shrinkage=0.0)


@pytest.mark.parametrize("kind", KINDS)
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

    renamed_edges = make_graphs(ml_dataset, params).with_columns(pl.col("code", "neighbour").replace(renamed))
    edges_of_renamed = make_graphs(ml_dataset.with_columns(pl.col("code").replace(renamed)), params)

    order = ["graph_date", "code", "rank"]
    assert_frame_equal(renamed_edges.sort(order), edges_of_renamed.sort(order), abs_tol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
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


def test_stocks_with_little_history_have_no_neighbours(ml_dataset: pl.DataFrame) -> None:
    first = ml_dataset["date"].unique().sort()

    edges = make_graphs(ml_dataset, PARAMS)

    listed = dict(ml_dataset.group_by("code").agg(pl.col("date").min()).iter_rows())
    for code, when in edges.select("code", "graph_date").iter_rows():
        seen = ml_dataset.filter(pl.col("code") == code, pl.col("date") <= when).height
        assert seen > 40, (code, listed[code], when)
    assert edges["graph_date"].min() == first[40]


@pytest.mark.parametrize(
    ("change", "params", "message"),
    [
        ([], {"neighbours": 30}, "graph.neighbours = 30: no day has more than 29 stocks in the universe"),
        (["sector"], {"kind": "sector"}, "has no sectors"),
        (["close", "target_1d"], {}, "has neither 'close' nor 'target_1d'"),
        ([], {"floor": 0.99}, "No graph has an edge"),
    ],
)
def test_impossible_parameters_are_refused(
    ml_dataset: pl.DataFrame, change: list[str], params: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_graphs(ml_dataset.drop(change), PARAMS.model_copy(update=params))


def test_graphs_are_yielded_in_batches(ml_dataset: pl.DataFrame) -> None:
    index = index_observations(select_universe(ml_dataset.lazy(), make_params(UniverseParams)))
    frames = build_graphs(
        compute_market_history(ml_dataset.lazy(), index, 0), PARAMS.model_copy(update={"refresh_days": 1})
    )

    assert isinstance(frames, Iterator)
    assert len([frame for frame in frames if frame.height]) == 320 // 64
