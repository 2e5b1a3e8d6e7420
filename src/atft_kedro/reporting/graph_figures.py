"""Graphs as pictures: the newest network, and how many neighbours change over time."""

import networkx as nx
import numpy as np
import plotly.graph_objects as go
import polars as pl

from ..graph.to_panel import read_in_batches
from ..schema import CODE, CORRELATION, GRAPH_DATE, NEIGHBOUR, RANK

SHOWN = 120  # stocks of a network that a person can still look at
SEED = 7


def plot_graph(edges: pl.LazyFrame) -> go.Figure:
    """Draw the newest graph around its best connected stocks."""
    newest = edges.filter(pl.col(GRAPH_DATE) == pl.col(GRAPH_DATE).max()).collect()
    shown = _best_connected(newest)
    kept = newest.filter(pl.col(CODE).is_in(shown), pl.col(NEIGHBOUR).is_in(shown))
    network = nx.Graph()
    network.add_weighted_edges_from(kept.select(CODE, NEIGHBOUR, pl.col(CORRELATION).abs()).iter_rows())
    places = nx.spring_layout(network, seed=SEED, iterations=80, k=1.6 / max(len(network), 1) ** 0.5)
    total = newest[CODE].n_unique()
    figure = go.Figure([_lines(kept, places, positive=True), _lines(kept, places, positive=False)])
    figure.add_trace(_points(newest, places))
    figure.update_layout(
        title=f"Graph of {newest[GRAPH_DATE][0]}: {len(network)} of {total} stocks, those that most others are near to",
        meta={"caption": f"{len(network)} stocks, those that most others are near to; point at one for its nearest."},
        template="plotly_white",
        height=720,
        legend={"orientation": "h", "y": -0.03},
        margin={"l": 20, "r": 20, "t": 60, "b": 20},
        xaxis={"visible": False},
        yaxis={"visible": False},
    )
    return figure


def _best_connected(edges: pl.DataFrame) -> list[str]:
    """Name the stocks that most others have as a neighbour."""
    followers = edges.group_by(NEIGHBOUR).len().sort("len", NEIGHBOUR, descending=[True, False])
    return followers[NEIGHBOUR].head(SHOWN).sort().to_list()


def _lines(edges: pl.DataFrame, places: dict[str, tuple[float, float]], *, positive: bool) -> go.Scatter:
    rows = edges.filter((pl.col(CORRELATION) >= 0) == positive).select(CODE, NEIGHBOUR).iter_rows()
    ends = [(places[one], places[other]) for one, other in rows]
    return go.Scatter(
        x=[x for one, other in ends for x in (one[0], other[0], None)],
        y=[y for one, other in ends for y in (one[1], other[1], None)],
        mode="lines",
        name="move together" if positive else "move against each other",
        line={"width": 0.7, "color": "#9db4cc" if positive else "#d99a8b"},
        hoverinfo="skip",
    )


def _points(edges: pl.DataFrame, places: dict[str, tuple[float, float]]) -> go.Scatter:
    followers = dict(edges.group_by(NEIGHBOUR).len().iter_rows())
    nearest = edges.filter(pl.col(RANK) <= 3).group_by(CODE).agg(pl.col(NEIGHBOUR).sort_by(RANK).str.join(", "))
    named = dict(nearest.iter_rows())
    return go.Scatter(
        x=[place[0] for place in places.values()],
        y=[place[1] for place in places.values()],
        mode="markers",
        name="stock",
        marker={"size": 9, "color": "#2f6fb3", "line": {"width": 1, "color": "white"}},
        text=[
            f"{code}<br>neighbour of {followers.get(code, 0)}<br>nearest: {named.get(code, 'none')}" for code in places
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def measure_turnover(edges: pl.LazyFrame) -> pl.DataFrame:
    """Measure for each graph the share of neighbours that the graph before did not have: graph_date, turnover."""
    dates = edges.select(pl.col(GRAPH_DATE).unique().sort()).collect()[GRAPH_DATE]
    pairs = pl.struct(CODE, NEIGHBOUR).hash().unique().sort()
    before: np.ndarray | None = None
    shares = []
    for batch in read_in_batches(edges, dates):
        for (day,), now in batch.group_by(GRAPH_DATE, maintain_order=True):
            known = now.select(pairs).to_series().to_numpy()
            if before is not None:
                shares.append((day, float(1 - np.isin(known, before, assume_unique=True).mean())))
            before = known
    return pl.DataFrame(shares, schema={GRAPH_DATE: pl.Date, "turnover": pl.Float64}, orient="row")


def plot_turnover(turnover: pl.DataFrame) -> go.Figure:
    """Draw the turnover over time."""
    dates = turnover[GRAPH_DATE].to_list()
    shares = turnover["turnover"].to_list()
    figure = go.Figure(go.Scatter(x=dates, y=shares, mode="lines", line={"color": "#2f6fb3", "width": 1.2}))
    figure.update_layout(
        title="Neighbour turnover: share of neighbours that the graph before did not have",
        template="plotly_white",
        height=380,
        margin={"l": 60, "r": 20, "t": 60, "b": 40},
        xaxis={"title": "graph date"},
        yaxis={"title": "new neighbours", "tickformat": ".0%", "rangemode": "tozero"},
    )
    return figure
