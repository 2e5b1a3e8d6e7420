"""How a run learned and what its network looks at, drawn."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from ..schema import DATE
from .theme import GREY, SHADES, apply_theme, horizon_colour

SHOWN = 20  # features of a picture that a person can still tell apart


def draw_learning(epochs: Sequence[dict[str, Any]]) -> go.Figure:
    """Draw each horizon's validation rank IC and both losses over the epochs, and where phases begin."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.65, 0.35])
    seeds = sorted({epoch["seed"] for epoch in epochs})
    for seed in seeds:
        mine = [epoch for epoch in epochs if epoch["seed"] == seed]
        places, suffix = list(range(1, len(mine) + 1)), f", seed {seed}" if len(seeds) > 1 else ""
        for name in (name for name in mine[0]["validation"] if name.startswith("rank_ic_")):
            days = int(name.removeprefix("rank_ic_").removesuffix("d"))
            values = [epoch["validation"][name] for epoch in mine]
            look = {"mode": "lines+markers", "line": {"color": horizon_colour(days)}, "name": f"{days} d{suffix}"}
            figure.add_scatter(x=places, y=values, row=1, col=1, **look)
        losses = {
            "train loss": ([epoch["train_loss"] for epoch in mine], None),
            "validation loss": ([epoch["validation"].get("loss") for epoch in mine], "dash"),
        }
        for name, (values, dash) in losses.items():
            look = {"mode": "lines+markers", "line": {"color": GREY, "dash": dash}, "name": f"{name}{suffix}"}
            figure.add_scatter(x=places, y=values, row=2, col=1, **look)
    _mark_phases(figure, [epoch for epoch in epochs if epoch["seed"] == seeds[0]] if seeds else [])
    figure.update_yaxes(title_text="rank IC, validation", row=1, col=1)
    figure.update_yaxes(title_text="loss", row=2, col=1)
    figure.update_xaxes(title_text="epoch", row=2, col=1)
    return apply_theme(
        figure, "What the run learned", "After each epoch; dotted lines are where a phase begins.", height=580
    )


def _mark_phases(figure: go.Figure, epochs: Sequence[dict[str, Any]]) -> None:
    for place, epoch in enumerate(epochs):
        if place == 0 or epoch["phase"] != epochs[place - 1]["phase"]:
            figure.add_vline(x=place + 0.5, line_dash="dot", line_color=GREY)
            text = {"text": epoch["phase"], "textangle": 90, "showarrow": False, "font": {"size": 11, "color": GREY}}
            figure.add_annotation(x=place + 0.5, y=0, yref="paper", xanchor="left", yanchor="bottom", **text)


def draw_features(weights: pl.DataFrame) -> go.Figure:
    """Draw the weights of the features that matter most, month by month."""
    by_month = weights.group_by(pl.col(DATE).dt.truncate("1mo"), "feature").agg(pl.col("weight").mean())
    most = weights.group_by("feature").agg(pl.col("weight").mean()).top_k(SHOWN, by="weight")
    table = by_month.join(most.select("feature"), on="feature").pivot("feature", index=DATE, values="weight").sort(DATE)
    names = most.sort("weight")["feature"].to_list()
    figure = go.Figure(
        go.Heatmap(
            z=[table[name].to_list() for name in names],
            x=[str(month)[:7] for month in table[DATE]],
            y=names,
            colorscale="Blues",
            colorbar={"title": "weight"},
            hovertemplate="%{y}<br>%{x}<br>%{z:.3f}<extra></extra>",
        )
    )
    figure.update_xaxes(type="category")
    return apply_theme(
        figure,
        "Features that the network weighs most",
        f"Mean weight of the selection gate, the {len(names)} largest of {weights['feature'].n_unique()} features, on "
        "the validation days; 1 is what each would have if all were alike.",
        height=140 + 24 * len(names),
    )


def draw_lags(weights: pl.DataFrame) -> go.Figure:
    """Draw how far back each layer's attention looks."""
    figure = go.Figure()
    for (layer, head), mine in weights.sort("lag").group_by("layer", "head", maintain_order=True):
        look = {"mode": "lines+markers", "line": {"color": SHADES[int(head) % len(SHADES)]}}
        name, weight = f"layer {layer}, head {head}", mine["weight"].to_list()
        figure.add_scatter(x=mine["lag"].to_list(), y=weight, name=name, **look)
    figure.update_layout(xaxis_title="observations back", yaxis_title="mean attention")
    return apply_theme(figure, "Attention over lags", "On the validation days, averaged over stocks and days.")
