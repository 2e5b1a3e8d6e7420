"""Figures of the calibration of forecasts and of their quantiles."""

from collections.abc import Mapping

import plotly.graph_objects as go

from ..evaluation.quantiles import quantile_levels
from ..evaluation.score import HorizonScore
from .theme import GREY, apply_theme, error_bars, horizon_colour


def plot_calibration(scores: Mapping[int, HorizonScore]) -> go.Figure:
    """Plot the mean label of each decile of the forecasts against its mean forecast."""
    figure, forecasts = go.Figure(), [0.0]
    for horizon, score in scores.items():
        pairs = [
            (forecast, label) for forecast, label in score.calibration if forecast is not None and label is not None
        ]
        forecasts += [forecast for forecast, _ in pairs]
        figure.add_scatter(
            x=[forecast for forecast, _ in pairs],
            y=[label for _, label in pairs],
            name=f"{horizon} d",
            mode="lines+markers",
            line={"color": horizon_colour(horizon)},
        )
    diagonal, line = [min(forecasts), max(forecasts)], {"color": GREY, "dash": "dot"}
    figure.add_scatter(x=diagonal, y=diagonal, mode="lines", line=line, name="ideal", hoverinfo="skip")
    figure.update_layout(xaxis_title="mean forecast of a decile", yaxis_title="mean label of the decile")
    return apply_theme(
        figure,
        "Calibration",
        "In the units of the labels. A line on the diagonal means that the forecasts have the right size; a flatter "
        "line means that they are too large.",
    )


def plot_coverage(scores: Mapping[int, HorizonScore]) -> go.Figure:
    """Plot how the share of labels up to each quantile differs from the quantile's level."""
    figure = go.Figure()
    for horizon, score in scores.items():
        levels = quantile_levels(list(score.coverage))
        excess = [
            None if mean.mean is None else mean.mean - levels[quantile] for quantile, mean in score.coverage.items()
        ]
        figure.add_scatter(
            x=[f"{level:.0%}" for level in levels.values()],
            y=excess,
            error_y=error_bars(list(score.coverage.values())),
            name=f"{horizon} d",
            mode="lines+markers",
            line={"color": horizon_colour(horizon)},
        )
    figure.add_hline(y=0, line_color=GREY, line_width=1)
    figure.update_layout(xaxis_title="quantile", yaxis_title="share of labels up to it, minus its level")
    figure.update_xaxes(type="category")
    figure.update_yaxes(tickformat="+.1%")
    return apply_theme(
        figure,
        "Coverage of the quantiles",
        "At zero, quantiles have their nominal coverage. Bars are two Newey-West standard errors. The quantiles are "
        "those of the network; an exported model corrects them with shifts that are fitted to the validation days.",
    )
