"""How a run learned, drawn."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

CORNER = {"xanchor": "left", "yanchor": "bottom"}


def draw_learning(epochs: Sequence[dict[str, Any]]) -> go.Figure:
    """Draw each horizon's validation rank IC over the epochs, a line for each seed, and where phases begin."""
    figure = go.Figure()
    seeds = sorted({epoch["seed"] for epoch in epochs})
    for seed in seeds:
        mine = [epoch for epoch in epochs if epoch["seed"] == seed]
        horizons = [name for name in mine[0]["validation"] if name.startswith("rank_ic_")]
        for name in horizons:
            label = name.removeprefix("rank_ic_") + (f", seed {seed}" if len(seeds) > 1 else "")
            values = [epoch["validation"][name] for epoch in mine]
            figure.add_scatter(x=list(range(1, len(mine) + 1)), y=values, name=label, mode="lines+markers")
    first = [epoch for epoch in epochs if epoch["seed"] == seeds[0]] if seeds else []
    for place, epoch in enumerate(first):
        if place == 0 or epoch["phase"] != first[place - 1]["phase"]:
            figure.add_vline(x=place + 0.5, line_dash="dot", line_color="grey")
            figure.add_annotation(
                x=place + 0.5, y=0, yref="paper", text=epoch["phase"], textangle=90, showarrow=False, **CORNER
            )
    figure.update_layout(
        title="What the run learned",
        xaxis_title="epoch",
        yaxis_title="rank IC on the validation days",
        legend_title="horizon",
        template="plotly_white",
    )
    return figure
