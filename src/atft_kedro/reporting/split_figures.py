"""Splits as pictures: which days do what, a line for each fold."""

from collections.abc import Sequence

import plotly.graph_objects as go

from ..panel.split import DateRange, Split, SplitName

COLOURS: dict[SplitName, str] = {
    "history": "#c9ced6",
    "train": "#2f6fb3",
    "embargo": "#f3c06b",
    "purge": "#d9762b",
    "validation": "#4da167",
    "test": "#a23b72",
    "unused": "#eceef1",
}
MOST = 6  # shortages that are named
DAY = 24 * 3600 * 1000  # a bar's length on an axis of dates is in milliseconds


def plot_splits(splits: Sequence[Split]) -> go.Figure:
    """Draw one bar for each split, coloured by what its days do; parts that are too small are named below the title."""
    figure = go.Figure()
    for role, colour in COLOURS.items():
        bars = [(split.name, stretch) for split in splits for stretch in split.ranges_of(role)]
        if bars:
            figure.add_trace(_bars(role, colour, bars))
    short = [f"{split.name}, {shortage}" for split in splits for shortage in split.shortages().values()]
    more = [f"and {len(short) - MOST} more"] if len(short) > MOST else []
    named = "".join(f"<br><sub>{line}</sub>" for line in (*short[:MOST], *more))
    figure.update_layout(
        barmode="overlay",
        title={"text": f"Which days do what{named}", "yref": "container", "y": 0.97, "yanchor": "top"},
        template="plotly_white",
        height=170 + 38 * len(splits) + 20 * named.count("<br>"),
        margin={"l": 80, "r": 20, "t": 60 + 20 * named.count("<br>"), "b": 40},
        legend={"orientation": "h", "traceorder": "normal", "y": -0.25, "yref": "paper"},
        xaxis={"type": "date"},
        yaxis={"autorange": "reversed", "type": "category"},
    )
    return figure


def _bars(role: SplitName, colour: str, bars: list[tuple[str, DateRange]]) -> go.Bar:
    return go.Bar(
        name=role,
        orientation="h",
        y=[name for name, _ in bars],
        base=[stretch.first.isoformat() for _, stretch in bars],
        x=[((stretch.last - stretch.first).days + 1) * DAY for _, stretch in bars],
        marker={"color": colour, "line": {"width": 0}},
        text=[f"{role}: {stretch.first} to {stretch.last}, {stretch.days} trading days" for _, stretch in bars],
        textposition="none",
        hovertemplate="%{y}<br>%{text}<extra></extra>",
    )
