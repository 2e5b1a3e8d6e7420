"""Correlations and the edges made of them, against a slow loop."""

from datetime import date

import numpy as np
import polars as pl
import pytest
import torch

from atft_kedro.graph.correlation import correlate, make_decay_weights, standardise
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.universe import UniverseParams, select_universe
from factories.datasets import make_graphs
from factories.params import make_params
from factories.slow_correlation import slow_correlation

PARAMS = make_params(GraphParams, neighbours=5, window=120, min_observations=40, half_life=30, floor=0.0, shrinkage=0.0)
CLIP = PARAMS.clip


def test_the_matrix_product_is_the_slow_correlation() -> None:
    random = np.random.default_rng(4)
    returns = random.normal(0, 0.02, (120, 25)) + random.normal(0, 0.02, (120, 1))
    returns[random.random(returns.shape) < 0.1] = np.nan
    returns[:, 3] = returns[:, 4]  # a tie
    returns[:, 5] = -returns[:, 6]
    returns[:, 7] = 0.01  # flat
    returns[60, 8] = 9.0  # a wrong price
    weights = make_decay_weights(120, 30)

    shape = standardise(torch.from_numpy(returns.astype(np.float32)), weights, CLIP)
    found = correlate(shape, shape)

    exact = weights.double().numpy()
    expected = [
        [slow_correlation(returns, exact, i, j) if 7 not in (i, j) else 0 for j in range(25)] for i in range(25)
    ]
    assert np.abs(found.numpy() - np.array(expected)).max() < 1e-5
    assert found[3, 4] == pytest.approx(1, abs=1e-5)
    assert found[5, 6] == pytest.approx(-1, abs=1e-5)


def test_without_gaps_it_is_the_textbook_weighted_correlation() -> None:
    random = np.random.default_rng(5)
    returns = random.normal(0, 0.02, (90, 8))
    weights = make_decay_weights(90, 20)

    shape = standardise(torch.from_numpy(returns.astype(np.float32)), weights, CLIP)

    covariance = np.cov(returns.T, aweights=weights.double().numpy())
    deviation = np.sqrt(np.diag(covariance))
    assert np.abs(correlate(shape, shape).numpy() - covariance / np.outer(deviation, deviation)).max() < 1e-5
    assert make_decay_weights(90, 20)[-21].item() == pytest.approx(0.5)


def test_the_edges_are_the_strongest_slow_correlations(ml_dataset: pl.DataFrame) -> None:
    edges = make_graphs(ml_dataset, PARAMS)
    when = edges["graph_date"].max()
    assert isinstance(when, date)
    wide = (
        ml_dataset.sort("date")
        .with_columns(r=(pl.col("close") / pl.col("close").shift(1) - 1).over("code"))
        .pivot("code", index="date", values="r")
        .sort("date")
        .filter(pl.col("date") <= when)
    )
    codes = sorted(set(wide.columns) - {"date"})
    returns = wide.select(codes).to_numpy()
    index = index_observations(select_universe(ml_dataset.lazy(), make_params(UniverseParams)))
    last = [list(index.days).index(day) for day in wide["date"][-120:].to_list()]
    chosen = np.asarray(index.eligible)[last][:, [list(index.codes).index(code) for code in codes]]
    median = np.nanmedian(np.where(chosen, returns[-120:], np.nan), axis=1, keepdims=True)
    relative = returns[-120:] - median
    weights = 0.5 ** (np.arange(119, -1, -1) / 30)

    graph = edges.filter(pl.col("graph_date") == when)
    members = sorted(set(graph["code"]))
    for code in members:
        near = {
            other: slow_correlation(relative, weights, codes.index(code), codes.index(other))
            for other in members
            if other != code
        }
        strongest = sorted(near, key=lambda other: -abs(near[other]))[:5]
        rows = graph.filter(pl.col("code") == code).sort("rank")
        assert rows["neighbour"].to_list() == strongest
        assert rows["rank"].to_list() == [1, 2, 3, 4, 5]
        assert rows["correlation"].to_list() == pytest.approx([near[other] for other in strongest], abs=1e-5)
