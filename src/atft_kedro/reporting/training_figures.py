"""The learning curves of a run."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .theme import GREY, apply_theme, horizon_colour


def plot_learning(epochs: Sequence[dict[str, Any]]) -> go.Figure:
    """Plot the validation rank IC and both losses by epoch, and the start of each phase."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.65, 0.35])
    seeds = sorted({epoch["seed"] for epoch in epochs})
    for seed in seeds:
        seed_epochs = [epoch for epoch in epochs if epoch["seed"] == seed]
        numbers, suffix = list(range(1, len(seed_epochs) + 1)), f", seed {seed}" if len(seeds) > 1 else ""
        for key in (key for key in seed_epochs[0]["validation"] if key.startswith("rank_ic_")):
            horizon = int(key.removeprefix("rank_ic_").removesuffix("d"))
            values = [epoch["validation"][key] for epoch in seed_epochs]
            style = {"line": {"color": horizon_colour(horizon)}, "name": f"{horizon} d{suffix}"}
            figure.add_scatter(x=numbers, y=values, row=1, col=1, mode="lines+markers", **style)
        losses = {
            "train loss": ([epoch["train_loss"] for epoch in seed_epochs], None),
            "validation loss": ([epoch["validation"].get("loss") for epoch in seed_epochs], "dash"),
        }
        for name, (values, dash) in losses.items():
            style = {"line": {"color": GREY, "dash": dash}, "name": f"{name}{suffix}"}
            figure.add_scatter(x=numbers, y=values, row=2, col=1, mode="lines+markers", **style)
    _mark_phases(figure, [epoch for epoch in epochs if epoch["seed"] == seeds[0]] if seeds else [])
    figure.update_yaxes(title_text="rank IC, validation", row=1, col=1)
    figure.update_yaxes(title_text="loss", row=2, col=1)
    figure.update_xaxes(title_text="epoch", row=2, col=1)
    caption = "Rank IC and losses of each epoch. Dotted lines mark the start of a phase of the first seed."
    return apply_theme(figure, "Learning curves", caption, height=580)


def _mark_phases(figure: go.Figure, epochs: Sequence[dict[str, Any]]) -> None:
    for index, epoch in enumerate(epochs):
        if index == 0 or epoch["phase"] != epochs[index - 1]["phase"]:
            figure.add_vline(x=index + 0.5, line_dash="dot", line_color=GREY)
            text = {"text": epoch["phase"], "textangle": 90, "showarrow": False, "font": {"size": 11, "color": GREY}}
            figure.add_annotation(x=index + 0.5, y=0, yref="paper", xanchor="left", yanchor="bottom", **text)
