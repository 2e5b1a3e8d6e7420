"""The figure of splits: a bar for each fold shows its train, validation, test and unused days."""

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
MAX_SHORTAGES = 6  # shown in the title
DAY_MILLISECONDS = 24 * 3600 * 1000  # bar lengths on a date axis are in milliseconds


def plot_splits(splits: Sequence[Split]) -> go.Figure:
    """Plot one bar for each fold; the title names splits that are smaller than recommended."""
    figure = go.Figure()
    for name, colour in COLOURS.items():
        bars = [(split.name, dates) for split in splits for dates in split.ranges_of(name)]
        if bars:
            figure.add_trace(_plot_bars(name, colour, bars))
    shortages = [f"{split.name}, {shortage}" for split in splits for shortage in split.shortages().values()]
    more = [f"and {len(shortages) - MAX_SHORTAGES} more"] if len(shortages) > MAX_SHORTAGES else []
    subtitle = "".join(f"<br><sub>{line}</sub>" for line in (*shortages[:MAX_SHORTAGES], *more))
    figure.update_layout(
        barmode="overlay",
        title={"text": f"Days of each split{subtitle}", "yref": "container", "y": 0.97, "yanchor": "top"},
        template="plotly_white",
        height=170 + 38 * len(splits) + 20 * subtitle.count("<br>"),
        margin={"l": 80, "r": 20, "t": 60 + 20 * subtitle.count("<br>"), "b": 40},
        legend={"orientation": "h", "traceorder": "normal", "y": -0.25, "yref": "paper"},
        xaxis={"type": "date"},
        yaxis={"autorange": "reversed", "type": "category"},
    )
    return figure


def _plot_bars(split_name: SplitName, colour: str, bars: list[tuple[str, DateRange]]) -> go.Bar:
    return go.Bar(
        name=split_name,
        orientation="h",
        y=[fold for fold, _ in bars],
        base=[dates.first.isoformat() for _, dates in bars],
        x=[((dates.last - dates.first).days + 1) * DAY_MILLISECONDS for _, dates in bars],
        marker={"color": colour, "line": {"width": 0}},
        text=[f"{split_name}: {dates.first} to {dates.last}, {dates.days} trading days" for _, dates in bars],
        textposition="none",
        hovertemplate="%{y}<br>%{text}<extra></extra>",
    )
