"""Nodes that build the graphs of the refresh days and combine them with the panel."""

from collections.abc import Iterator

import polars as pl

from atft_kedro.graph import daily
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.panel_indices import index_graphs
from atft_kedro.graph.returns import compute_market_history
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.split import Split
from atft_kedro.panel.store import Panel
from atft_kedro.training.data import TrainingData


def build_graphs(
    mapped_dataset: pl.LazyFrame, universe: pl.LazyFrame, entry_lag: int, params: GraphParams
) -> tuple[Iterator[pl.DataFrame], GraphParams]:
    """Build a graph every ``refresh_days`` days.

    The graph parameters are returned too: they are stored with the graphs.
    """
    index = index_observations(universe.collect())
    returns = compute_market_history(mapped_dataset, index, entry_lag)
    return daily.build_graphs(returns, params), params


def make_training_data(panel: Panel, graphs: pl.LazyFrame, graph_params: GraphParams, split: Split) -> TrainingData:
    """Convert the graphs' stock codes to the panel's indices; combine panel, graphs and split."""
    return TrainingData(panel, index_graphs(graphs, panel), split, graph_params)
