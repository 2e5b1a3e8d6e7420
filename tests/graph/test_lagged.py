"""Graphs of who moves first: a stock's returns with the others' of days before."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.returns import read_returns
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.universe import UniverseParams, select_universe
from factories.datasets import make_graphs
from factories.params import make_params
from factories.slow_correlation import slow_correlation

DAYS, STOCKS, WINDOW = 300, 12, 120
PARAMS = make_params(
    GraphParams,
    neighbours=3,
    window=WINDOW,
    min_observations=40,
    half_life=30,
    floor=0.0,
    shrinkage=0.0,
    lag_days=1,
    refresh_days=7,
)


@pytest.fixture
def returns() -> np.ndarray:
    """Stock 1 does today what stock 0 did yesterday, stock 2 the opposite of it two days ago; the others are alone."""
    random = np.random.default_rng(6)
    drawn = random.normal(0, 0.02, (DAYS, STOCKS))
    drawn[1:, 1] = drawn[:-1, 0] + 0.3 * drawn[1:, 1]
    drawn[2:, 2] = -drawn[:-2, 0] + 0.3 * drawn[2:, 2]
    return drawn


def dataset_of(returns: np.ndarray) -> pl.DataFrame:
    days = [date(2020, 1, 1) + timedelta(days=day) for day in range(len(returns))]
    close = 100 * np.cumprod(1 + returns, axis=0)
    tables = [
        pl.DataFrame({"date": days, "code": f"S{stock:02d}", "close": close[:, stock], "volume": 1e6, "own": 0.0})
        for stock in range(returns.shape[1])
    ]
    return pl.concat(tables).with_columns(target_1d=(pl.col("close").shift(-1) / pl.col("close") - 1).over("code"))


def test_who_moves_first_is_the_follower_s_neighbour_and_not_the_other_way_round(returns: np.ndarray) -> None:
    one, two = (make_graphs(dataset_of(returns), PARAMS.model_copy(update={"lag_days": lag})) for lag in (1, 2))

    late = pl.col("graph_date") > pl.col("graph_date").min() + timedelta(days=100)
    first = one.filter(late, code="S01", rank=1)
    opposite = two.filter(late, code="S02", rank=1)
    leader = one.filter(late, code="S00", neighbour="S01")
    assert first["neighbour"].unique().to_list() == ["S00"]
    assert first["correlation"].min() > 0.8  # type: ignore[operator]
    assert opposite["neighbour"].unique().to_list() == ["S00"]
    assert opposite["correlation"].max() < -0.8  # type: ignore[operator]
    assert leader["correlation"].abs().mean() < 0.4  # type: ignore[operator]


@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("subtract_market", [True, False])
def test_each_edge_has_the_slow_way_s_correlation(returns: np.ndarray, lag: int, subtract_market: bool) -> None:
    params = PARAMS.model_copy(update={"lag_days": lag, "subtract_market": subtract_market})
    frame = dataset_of(returns)
    market = read_returns(
        frame.lazy(), index_observations(select_universe(frame.lazy(), make_params(UniverseParams))), 0
    )
    relative = market.subtract_market_median() if subtract_market else market.returns

    edges = make_graphs(frame, params)

    weights = np.exp2(-np.arange(WINDOW - 1, -1, -1) / PARAMS.half_life)
    for graph_date, code, neighbour, correlation in edges.select(
        "graph_date", "code", "neighbour", "correlation"
    ).iter_rows():
        end = (graph_date - date(2020, 1, 1)).days + 1
        begin = max(end - WINDOW, 0)
        mine = relative[begin:end, int(code[1:])]
        theirs = relative[max(begin - lag, 0) : end - lag, int(neighbour[1:])]
        theirs = np.concatenate([np.full(len(mine) - len(theirs), np.nan), theirs])
        both = np.stack([mine, theirs], axis=1)
        assert correlation == pytest.approx(slow_correlation(both, weights[begin - end :], 0, 1), abs=1e-4)


@pytest.mark.parametrize("lag", [1, 5])
def test_later_prices_change_no_lagged_graph(ml_dataset: pl.DataFrame, lag: Any) -> None:
    params = PARAMS.model_copy(update={"lag_days": lag})
    edges = make_graphs(ml_dataset, params)
    cut = edges["graph_date"].unique().sort()[20]

    fewer = make_graphs(ml_dataset.filter(pl.col("date") <= cut), params)

    assert fewer.equals(edges.filter(pl.col("graph_date") <= cut))
