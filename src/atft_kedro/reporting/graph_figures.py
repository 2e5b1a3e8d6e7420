"""Figures of the stock graphs: the newest graph, and the share of new neighbours over time."""

import networkx as nx
import numpy as np
import plotly.graph_objects as go
import polars as pl

from ..graph.panel_indices import read_in_batches
from ..schema import CODE, CORRELATION, GRAPH_DATE, NEIGHBOUR, RANK

MAX_STOCKS = 120  # the figure is unreadable with more stocks
SHOWN_NEIGHBOURS = 3  # in the text of a stock; the neighbours of rank 1 come first
LAYOUT_SEED = 7
NEW_SHARE = "share_of_new_neighbours"
LINE = {"color": "#2f6fb3", "width": 1.2}


def plot_graph(edges: pl.LazyFrame) -> go.Figure:
    """Plot the newest graph; show only the stocks that are most often a neighbour.

    Of these stocks, those without an edge to another one of them are not shown.
    """
    newest = edges.filter(pl.col(GRAPH_DATE) == pl.col(GRAPH_DATE).max()).collect()
    counts = newest.group_by(NEIGHBOUR).len().sort("len", NEIGHBOUR, descending=[True, False])
    selected = counts[NEIGHBOUR].head(MAX_STOCKS).sort().to_list()
    shown_edges = newest.filter(pl.col(CODE).is_in(selected), pl.col(NEIGHBOUR).is_in(selected))
    network = nx.Graph()
    network.add_weighted_edges_from(shown_edges.select(CODE, NEIGHBOUR, pl.col(CORRELATION).abs()).iter_rows())
    distance = 1.6 / max(len(network), 1) ** 0.5  # between stocks, chosen by eye
    positions = nx.spring_layout(network, seed=LAYOUT_SEED, iterations=80, k=distance)
    total = newest[CODE].n_unique()
    figure = go.Figure([_plot_edges(shown_edges, positions, positive=positive) for positive in (True, False)])
    figure.add_trace(_plot_stocks(newest, positions))
    figure.update_layout(
        title=f"Graph of {newest[GRAPH_DATE][0]}: {len(network)} of {total} stocks",
        meta={
            "caption": f"Of the {len(selected)} stocks that are most often a neighbour, the figure shows those with an "
            "edge to another one of them. Point at a stock to see its nearest neighbours."
        },
        template="plotly_white",
        height=720,
        legend={"orientation": "h", "y": -0.03},
        margin={"l": 20, "r": 20, "t": 60, "b": 20},
        xaxis={"visible": False},
        yaxis={"visible": False},
    )
    return figure


def _plot_edges(shown_edges: pl.DataFrame, positions: dict[str, tuple[float, float]], *, positive: bool) -> go.Scatter:
    rows = shown_edges.filter((pl.col(CORRELATION) >= 0) == positive).select(CODE, NEIGHBOUR).iter_rows()
    ends = [(positions[code], positions[neighbour]) for code, neighbour in rows]
    return go.Scatter(
        x=[x for start, end in ends for x in (start[0], end[0], None)],
        y=[y for start, end in ends for y in (start[1], end[1], None)],
        mode="lines",
        name="positive correlation" if positive else "negative correlation",
        line={"width": 0.7, "color": "#9db4cc" if positive else "#d99a8b"},
        hoverinfo="skip",
    )


def _plot_stocks(all_edges: pl.DataFrame, positions: dict[str, tuple[float, float]]) -> go.Scatter:
    counts = dict(all_edges.group_by(NEIGHBOUR).len().iter_rows())
    nearest = all_edges.filter(pl.col(RANK) <= SHOWN_NEIGHBOURS).group_by(CODE)
    nearest_of = dict(nearest.agg(pl.col(NEIGHBOUR).sort_by(RANK).str.join(", ")).iter_rows())
    return go.Scatter(
        x=[position[0] for position in positions.values()],
        y=[position[1] for position in positions.values()],
        mode="markers",
        name="stock",
        marker={"size": 9, "color": "#2f6fb3", "line": {"width": 1, "color": "white"}},
        text=[
            f"{code}<br>neighbour of {counts.get(code, 0)} stocks<br>nearest: {nearest_of.get(code, 'none')}"
            for code in positions
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def measure_new_neighbours(edges: pl.LazyFrame) -> pl.DataFrame:
    """Compute the share of new (stock, neighbour) pairs of each graph after the first.

    A pair is new if the graph before does not contain it.
    """
    dates = edges.select(pl.col(GRAPH_DATE).unique().sort()).collect()[GRAPH_DATE]
    pair_hashes = pl.struct(CODE, NEIGHBOUR).hash().unique().sort()
    previous: np.ndarray | None = None
    shares = []
    for batch in read_in_batches(edges, dates):
        for (graph_date,), graph_edges in batch.group_by(GRAPH_DATE, maintain_order=True):
            current = graph_edges.select(pair_hashes).to_series().to_numpy()
            if previous is not None:
                shares.append((graph_date, float(1 - np.isin(current, previous, assume_unique=True).mean())))
            previous = current
    return pl.DataFrame(shares, schema={GRAPH_DATE: pl.Date, NEW_SHARE: pl.Float64}, orient="row")


def plot_new_neighbours(shares: pl.DataFrame) -> go.Figure:
    """Plot the share of new neighbours over time."""
    figure = go.Figure(
        go.Scatter(x=shares[GRAPH_DATE].to_list(), y=shares[NEW_SHARE].to_list(), mode="lines", line=LINE)
    )
    figure.update_layout(
        title="Share of new neighbours: pairs that the graph before does not contain",
        template="plotly_white",
        height=380,
        margin={"l": 60, "r": 20, "t": 60, "b": 40},
        xaxis={"title": "graph date"},
        yaxis={"title": "new neighbours", "tickformat": ".0%", "rangemode": "tozero"},
    )
    return figure
