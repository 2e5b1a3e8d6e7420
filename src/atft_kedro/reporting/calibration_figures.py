"""Figures of the calibration of forecasts and of their quantiles."""

from collections.abc import Mapping

import plotly.graph_objects as go

from ..evaluation.quantiles import quantile_levels
from ..evaluation.score import HorizonScore
from .theme import GREY, apply_theme, error_bars, horizon_colour


def plot_calibration(scores: Mapping[int, HorizonScore]) -> go.Figure:
    """Plot the mean label of each forecast decile against the mean forecast of that decile."""
    figure = go.Figure()
    diagonal_ends = [0.0]  # with 0, the diagonal is a line even if there is only one forecast
    for horizon, score in scores.items():
        pairs = [
            (forecast, label) for forecast, label in score.calibration if forecast is not None and label is not None
        ]
        diagonal_ends += [forecast for forecast, _ in pairs]
        figure.add_scatter(
            x=[forecast for forecast, _ in pairs],
            y=[label for _, label in pairs],
            name=f"{horizon} d",
            mode="lines+markers",
            line={"color": horizon_colour(horizon)},
        )
    diagonal, line = [min(diagonal_ends), max(diagonal_ends)], {"color": GREY, "dash": "dot"}
    figure.add_scatter(x=diagonal, y=diagonal, mode="lines", line=line, name="perfect calibration", hoverinfo="skip")
    figure.update_layout(xaxis_title="mean forecast of a decile", yaxis_title="mean label of the decile")
    return apply_theme(
        figure,
        "Calibration",
        "Both axes have the units of the labels. On the diagonal, forecasts equal the mean label. A line flatter than "
        "the diagonal means that forecasts are too far from zero.",
    )


def plot_coverage(scores: Mapping[int, HorizonScore]) -> go.Figure:
    """Plot the share of labels at or below each forecast quantile, minus its nominal level."""
    figure = go.Figure()
    for horizon, score in scores.items():
        levels = quantile_levels(list(score.coverage))
        estimates = [score.coverage[quantile] for quantile in levels]
        coverage_errors = [
            None if estimate.mean is None else estimate.mean - level
            for estimate, level in zip(estimates, levels.values(), strict=True)
        ]
        figure.add_scatter(
            x=[f"{level * 100:g}%" for level in levels.values()],
            y=coverage_errors,
            error_y=error_bars(estimates),
            name=f"{horizon} d",
            mode="lines+markers",
            line={"color": horizon_colour(horizon)},
        )
    figure.add_hline(y=0, line_color=GREY, line_width=1)
    figure.update_layout(xaxis_title="quantile", yaxis_title="observed minus nominal coverage")
    figure.update_xaxes(type="category")
    figure.update_yaxes(tickformat="+.1%")
    return apply_theme(
        figure,
        "Coverage of the quantiles",
        "0 means that the observed share of labels at or below the quantile equals the nominal level. Bars are two "
        "Newey-West standard errors. The quantiles are those of the network. The exported model adds a shift to each "
        "quantile, fitted on validation days.",
    )
