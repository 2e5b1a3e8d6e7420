"""Nodes that build the graphs and show them."""

from collections.abc import Iterator

import plotly.graph_objects as go
import polars as pl

from atft_kedro.graph import daily
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.returns import read_returns
from atft_kedro.panel.index import index_observations
from atft_kedro.reporting import graph_figures as pictures


def build_graphs(
    mapped_dataset: pl.LazyFrame, universe: pl.LazyFrame, entry_lag: int, params: GraphParams
) -> tuple[Iterator[pl.DataFrame], GraphParams]:
    """Find every stock's neighbours on every refresh day; how that was done stays beside them."""
    index = index_observations(universe.collect())
    returns = read_returns(mapped_dataset, index, entry_lag)
    return daily.build_graphs(returns, params), params


def draw_graph(graphs: pl.LazyFrame) -> go.Figure:
    """Draw the newest graph."""
    return pictures.draw_graph(graphs)


def draw_turnover(graphs: pl.LazyFrame) -> go.Figure:
    """Draw how many neighbours change from graph to graph."""
    return pictures.draw_turnover(pictures.measure_turnover(graphs))
