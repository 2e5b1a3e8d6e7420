"""Tables and figures of a network's attention weights by feature, lag and frequency."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import polars as pl
import torch
from torch import Tensor

from ..network.attention_stats import AttentionStats
from ..schema import DATE
from .theme import SHADES, apply_theme

MAX_FEATURES_SHOWN = 20


def tabulate_by_day(days: np.ndarray, weights: Sequence[Tensor], column: str, values: Sequence[object]) -> pl.DataFrame:
    """Build a table of date, ``column`` and weight from blocks of weights (day, value)."""
    columns = {"date": np.repeat(days, len(values)), column: list(values) * len(days)}
    table = pl.DataFrame(columns).with_columns(pl.col("date").cast(pl.Date))
    if not weights:
        return table.clear().with_columns(pl.lit(None, pl.Float32).alias("weight"))
    return table.with_columns(pl.Series("weight", torch.cat(list(weights)).flatten().numpy()))


def tabulate_lags(stats: AttentionStats) -> pl.DataFrame:
    """Average each layer's attention over the blocks: rows of layer, head, lag and weight."""
    rows = [
        {"layer": layer, "head": head, "lag": lag, "weight": weight}
        for layer, blocks in stats.lags.items()
        for head, by_lag in enumerate(torch.stack(blocks).mean(0).tolist())
        for lag, weight in enumerate(by_lag)
    ]
    return pl.DataFrame(rows)


def tabulate_frequencies(stats: AttentionStats, window_steps: int) -> pl.DataFrame:
    """Average the share of windows that select each frequency; periods are in steps."""
    schema = {"channel": pl.Int64, "frequency": pl.Int64, "period": pl.Float64, "share": pl.Float64}
    shares = torch.stack(stats.frequencies).mean(0).tolist() if stats.frequencies else []
    rows = [
        (channel, frequency, window_steps / frequency if frequency else None, share)
        for channel, by_frequency in enumerate(shares)
        for frequency, share in enumerate(by_frequency)
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def plot_features(weights: pl.DataFrame) -> go.Figure:
    """Plot the monthly mean weights of the features with the largest mean weight."""
    by_month = weights.group_by(pl.col(DATE).dt.truncate("1mo"), "feature").agg(pl.col("weight").mean())
    largest = weights.group_by("feature").agg(pl.col("weight").mean()).top_k(MAX_FEATURES_SHOWN, by="weight")
    shown = by_month.join(largest.select("feature"), on="feature")
    table = shown.pivot("feature", index=DATE, values="weight").sort(DATE)
    names = largest.sort("weight")["feature"].to_list()
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
        "Features with the largest weights",
        "Weights in the variable selection of the first network on the validation days, averaged over stocks and "
        f"days, for the {len(names)} features with the largest mean weight, of {weights['feature'].n_unique()}. "
        "Weights are scaled so that their mean over all features is 1.",
        height=140 + 24 * len(names),
    )


def plot_lags(weights: pl.DataFrame) -> go.Figure:
    """Plot each layer's and head's attention over the lags."""
    figure = go.Figure()
    for (layer, head), rows in weights.sort("lag").group_by("layer", "head", maintain_order=True):
        line = {"color": SHADES[int(head) % len(SHADES)]}
        name, weight = f"layer {layer}, head {head}", rows["weight"].to_list()
        figure.add_scatter(x=rows["lag"].to_list(), y=weight, name=name, mode="lines+markers", line=line)
    figure.update_layout(xaxis_title="lag (observations)", yaxis_title="mean attention")
    caption = (
        "Attention of the first network on the validation days and the observations before them, averaged over stocks, "
        "observations and blocks."
    )
    return apply_theme(figure, "Attention over lags", caption)
