"""Figures of the stock graphs: the newest graph, and the turnover of neighbours over time."""

import networkx as nx
import numpy as np
import plotly.graph_objects as go
import polars as pl

from ..graph.panel_indices import read_in_batches
from ..schema import CODE, CORRELATION, GRAPH_DATE, NEIGHBOUR, RANK

MAX_STOCKS = 120  # a graph of more stocks is not readable
SEED = 7  # of the layout


def plot_graph(edges: pl.LazyFrame) -> go.Figure:
    """Plot the newest graph, reduced to the stocks that are a neighbour of the most others."""
    newest = edges.filter(pl.col(GRAPH_DATE) == pl.col(GRAPH_DATE).max()).collect()
    counts = newest.group_by(NEIGHBOUR).len().sort("len", NEIGHBOUR, descending=[True, False])
    shown = counts[NEIGHBOUR].head(MAX_STOCKS).sort().to_list()
    kept = newest.filter(pl.col(CODE).is_in(shown), pl.col(NEIGHBOUR).is_in(shown))
    network = nx.Graph()
    network.add_weighted_edges_from(kept.select(CODE, NEIGHBOUR, pl.col(CORRELATION).abs()).iter_rows())
    positions = nx.spring_layout(network, seed=SEED, iterations=80, k=1.6 / max(len(network), 1) ** 0.5)
    total = newest[CODE].n_unique()
    figure = go.Figure([_plot_edges(kept, positions, positive=positive) for positive in (True, False)])
    figure.add_trace(_plot_stocks(newest, positions))
    figure.update_layout(
        title=f"Graph of {newest[GRAPH_DATE][0]}: the {len(network)} best connected of {total} stocks",
        meta={
            "caption": f"The {len(network)} stocks that are a neighbour of the most others. Point at a stock to see "
            "its nearest neighbours."
        },
        template="plotly_white",
        height=720,
        legend={"orientation": "h", "y": -0.03},
        margin={"l": 20, "r": 20, "t": 60, "b": 20},
        xaxis={"visible": False},
        yaxis={"visible": False},
    )
    return figure


def _plot_edges(edges: pl.DataFrame, positions: dict[str, tuple[float, float]], *, positive: bool) -> go.Scatter:
    rows = edges.filter((pl.col(CORRELATION) >= 0) == positive).select(CODE, NEIGHBOUR).iter_rows()
    ends = [(positions[code], positions[neighbour]) for code, neighbour in rows]
    return go.Scatter(
        x=[x for start, end in ends for x in (start[0], end[0], None)],
        y=[y for start, end in ends for y in (start[1], end[1], None)],
        mode="lines",
        name="move together" if positive else "move against each other",
        line={"width": 0.7, "color": "#9db4cc" if positive else "#d99a8b"},
        hoverinfo="skip",
    )


def _plot_stocks(edges: pl.DataFrame, positions: dict[str, tuple[float, float]]) -> go.Scatter:
    counts = dict(edges.group_by(NEIGHBOUR).len().iter_rows())
    nearest = edges.filter(pl.col(RANK) <= 3).group_by(CODE).agg(pl.col(NEIGHBOUR).sort_by(RANK).str.join(", "))
    nearest_of = dict(nearest.iter_rows())
    return go.Scatter(
        x=[position[0] for position in positions.values()],
        y=[position[1] for position in positions.values()],
        mode="markers",
        name="stock",
        marker={"size": 9, "color": "#2f6fb3", "line": {"width": 1, "color": "white"}},
        text=[
            f"{code}<br>neighbour of {counts.get(code, 0)}<br>nearest: {nearest_of.get(code, 'none')}"
            for code in positions
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def measure_turnover(edges: pl.LazyFrame) -> pl.DataFrame:
    """Compute for each graph the share of its neighbours that the previous graph did not have."""
    dates = edges.select(pl.col(GRAPH_DATE).unique().sort()).collect()[GRAPH_DATE]
    pairs = pl.struct(CODE, NEIGHBOUR).hash().unique().sort()
    previous: np.ndarray | None = None
    shares = []
    for batch in read_in_batches(edges, dates):
        for (day,), edges_of_day in batch.group_by(GRAPH_DATE, maintain_order=True):
            current = edges_of_day.select(pairs).to_series().to_numpy()
            if previous is not None:
                shares.append((day, float(1 - np.isin(current, previous, assume_unique=True).mean())))
            previous = current
    return pl.DataFrame(shares, schema={GRAPH_DATE: pl.Date, "turnover": pl.Float64}, orient="row")


def plot_turnover(turnover: pl.DataFrame) -> go.Figure:
    """Plot the turnover of neighbours over time."""
    dates, shares = (turnover[name].to_list() for name in (GRAPH_DATE, "turnover"))
    figure = go.Figure(go.Scatter(x=dates, y=shares, mode="lines", line={"color": "#2f6fb3", "width": 1.2}))
    figure.update_layout(
        title="Neighbour turnover: share of neighbours that the previous graph did not have",
        template="plotly_white",
        height=380,
        margin={"l": 60, "r": 20, "t": 60, "b": 40},
        xaxis={"title": "graph date"},
        yaxis={"title": "new neighbours", "tickformat": ".0%", "rangemode": "tozero"},
    )
    return figure
