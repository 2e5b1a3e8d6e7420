"""The colours and the layout that all figures share."""

import plotly.graph_objects as go

from ..evaluation.baselines import BASELINES
from ..evaluation.compare_baselines import NETWORK
from ..evaluation.daily_statistics import Mean
from ..evaluation.oracle import ORACLE

BLUE, GREY, FAINT, INK = "#2f6fb3", "#8a8d93", "rgba(138, 141, 147, 0.25)", "#1f2329"
SHADES = (BLUE, "#d9762b", "#4da167", "#a23b72", "#7a6bb5", "#5f6670")
SHADE_OF_HORIZON = {1: 0, 5: 1, 10: 2, 20: 3}
FORECASTER_COLOURS: dict[str, str] = {NETWORK: BLUE, ORACLE: INK}
FORECASTER_COLOURS |= {name: baseline.colour for name, baseline in BASELINES.items()}


def apply_theme(figure: go.Figure, title: str, caption: str, height: int = 400) -> go.Figure:
    """Set a figure's title, its caption and the layout that all figures share."""
    lines = {"gridcolor": FAINT, "zerolinecolor": FAINT}  # visible on white, and on black in Kedro-Viz
    return (
        figure.update_xaxes(lines)
        .update_yaxes(lines)
        .update_layout(
            title={"text": title, "x": 0, "xref": "paper", "xanchor": "left"},
            meta={"caption": caption},
            height=height,
            template="plotly_white",
            paper_bgcolor="white",
            font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
            legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "right", "x": 1.0},
            margin={"l": 70, "r": 20, "t": 80, "b": 55},
            hovermode="x unified",
        )
    )


def horizon_colour(horizon: int) -> str:
    """Return the colour of a horizon, which is the same in every figure."""
    return SHADES[SHADE_OF_HORIZON.get(horizon, horizon) % len(SHADES)]


def error_bars(means: list[Mean]) -> dict[str, object]:
    """Return error bars of two standard errors; an unknown error has no bar."""
    return {"type": "data", "array": [2 * (mean.se or 0) for mean in means], "thickness": 1, "width": 3}
