"""How figures look: one dress for all, and a caption that travels with each."""

import plotly.graph_objects as go

from ..evaluation.daily_statistics import Mean

BLUE, GREY, FAINT = "#2f6fb3", "#8a8d93", "rgba(138, 141, 147, 0.25)"
SHADES = ("#2f6fb3", "#d9762b", "#4da167", "#a23b72", "#7a6bb5", "#5f6670")
PLACES = {1: 0, 5: 1, 10: 2, 20: 3}  # of the usual horizons' colours
COLOURS = {
    "network": BLUE,
    "zero": "#c9ced6",
    "reversal": "#f3c06b",
    "momentum": "#d9762b",
    "ridge": "#4da167",
    "lightgbm": "#a23b72",
    "oracle": "#1f2329",
}


def apply_theme(figure: go.Figure, title: str, caption: str, height: int = 400) -> go.Figure:
    """Give a figure its title, its caption and the looks of all others."""
    lines = {"gridcolor": FAINT, "zerolinecolor": FAINT}  # to be seen on white and, in Kedro-Viz, on black
    return (
        figure.update_xaxes(lines)
        .update_yaxes(lines)
        .update_layout(
            title={"text": title, "x": 0, "xref": "paper", "xanchor": "left"},
            meta={"caption": caption},
            height=height,
            template="plotly_white",
            paper_bgcolor="white",
            font={"family": "system-ui, sans-serif", "size": 13, "color": "#1f2329"},
            legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "right", "x": 1.0},
            margin={"l": 70, "r": 20, "t": 80, "b": 55},
            hovermode="x unified",
        )
    )


def horizon_colour(horizon: int) -> str:
    """Give each horizon one colour in every figure."""
    return SHADES[PLACES.get(horizon, horizon) % len(SHADES)]


def error_bars(means: list[Mean]) -> dict[str, object]:
    """Draw twice the error of each mean as a bar."""
    return {"type": "data", "array": [2 * (mean.se or 0) for mean in means], "thickness": 1, "width": 3}


def name_days(horizon: int) -> str:
    """Name a horizon, for a figure."""
    return f"{horizon} d"
