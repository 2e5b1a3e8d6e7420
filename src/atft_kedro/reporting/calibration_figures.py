"""Whether forecasts and their quantiles are as large as they should be, drawn."""

from collections.abc import Mapping

import plotly.graph_objects as go

from ..evaluation.quantiles import quantile_levels
from ..evaluation.score import HorizonScore
from .theme import GREY, apply_theme, error_bars, horizon_colour, name_days


def draw_calibration(tested: Mapping[int, HorizonScore]) -> go.Figure:
    """Draw what came beside what was forecast, tenth by tenth."""
    figure, ends = go.Figure(), [0.0]
    for name, each in tested.items():
        pairs = [(said, came) for said, came in each.calibration if said is not None and came is not None]
        ends += [said for said, _ in pairs]
        figure.add_scatter(
            x=[said for said, _ in pairs],
            y=[came for _, came in pairs],
            name=name_days(name),
            mode="lines+markers",
            line={"color": horizon_colour(name)},
        )
    _add_diagonal(figure, min(ends), max(ends))
    figure.update_layout(xaxis_title="mean forecast of a tenth", yaxis_title="mean of what it should have been")
    return apply_theme(
        figure,
        "Calibration",
        "In the units of the labels. On the diagonal forecasts are as large as they should be; flatter means that "
        "they claim too much.",
    )


def draw_coverage(tested: Mapping[int, HorizonScore]) -> go.Figure:
    """Draw how much more or less of what came lies below each quantile than should."""
    figure = go.Figure()
    for name, each in tested.items():
        levels = quantile_levels(list(each.coverage))
        figure.add_scatter(
            x=[f"{level:.0%}" for level in levels.values()],
            y=[None if mean.mean is None else mean.mean - levels[quantile] for quantile, mean in each.coverage.items()],
            error_y=error_bars(list(each.coverage.values())),
            name=name_days(name),
            mode="lines+markers",
            line={"color": horizon_colour(name)},
        )
    figure.add_hline(y=0, line_color=GREY, line_width=1)
    figure.update_layout(xaxis_title="quantile", yaxis_title="share below it, beyond what it says")
    figure.update_xaxes(type="category")
    figure.update_yaxes(tickformat="+.1%")
    return apply_theme(
        figure,
        "Coverage of the quantiles",
        "At zero, quantiles mean what they say; with twice the Newey-West error. These are the network's own; "
        "forecasts that are handed on are corrected by what the validation days showed.",
    )


def _add_diagonal(figure: go.Figure, low: float, high: float) -> None:
    figure.add_scatter(
        x=[low, high], y=[low, high], mode="lines", line={"color": GREY, "dash": "dot"}, name="ideal", hoverinfo="skip"
    )
