"""Graphs of who moves first: a stock's returns with the others' of days before."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.returns import compute_market_history
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
    """Make returns in which stock 1 follows stock 0 after a day, and stock 2 opposes it after two."""
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


def test_a_leading_stock_is_a_neighbour_of_the_following_one_and_not_reversed(returns: np.ndarray) -> None:
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
def test_every_edge_has_the_correlation_of_a_slow_loop(returns: np.ndarray, lag: int, subtract_market: bool) -> None:
    params = PARAMS.model_copy(update={"lag_days": lag, "subtract_market": subtract_market})
    frame = dataset_of(returns)
    market = compute_market_history(
        frame.lazy(), index_observations(select_universe(frame.lazy(), make_params(UniverseParams))), 0
    )
    relative = market.subtract_market_median() if subtract_market else market.returns

    edges = make_graphs(frame, params)

    weights = np.exp2(-np.arange(WINDOW - 1, -1, -1) / PARAMS.half_life)
    for graph_date, code, neighbour, correlation in edges.select(
        "graph_date", "code", "neighbour", "correlation"
    ).iter_rows():
        end = (graph_date - date(2020, 1, 1)).days + 1
        start = max(end - WINDOW, 0)
        own_returns = relative[start:end, int(code[1:])]
        peer_returns = relative[max(start - lag, 0) : end - lag, int(neighbour[1:])]
        peer_returns = np.concatenate([np.full(len(own_returns) - len(peer_returns), np.nan), peer_returns])
        both = np.stack([own_returns, peer_returns], axis=1)
        assert correlation == pytest.approx(slow_correlation(both, weights[start - end :], 0, 1), abs=1e-4)


@pytest.mark.parametrize("lag", [1, 5])
def test_later_prices_change_no_lagged_graph(ml_dataset: pl.DataFrame, lag: Any) -> None:
    params = PARAMS.model_copy(update={"lag_days": lag})
    edges = make_graphs(ml_dataset, params)
    cut = edges["graph_date"].unique().sort()[20]

    fewer = make_graphs(ml_dataset.filter(pl.col("date") <= cut), params)

    assert fewer.equals(edges.filter(pl.col("graph_date") <= cut))
