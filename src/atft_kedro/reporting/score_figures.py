"""What forecasts are worth, drawn: each figure says in its caption how to read it."""

from collections.abc import Iterator, Mapping

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from ..evaluation.compare_baselines import NETWORK
from ..evaluation.entries import name_entry
from ..evaluation.oracle import ORACLE
from ..evaluation.score import EntryScore, HorizonScore, RunScore
from ..schema import DATE, ENTRY_LAG, FORECASTER, HORIZON, SPLIT
from .calibration_figures import draw_calibration, draw_coverage
from .theme import COLOURS, GREY, apply_theme, error_bars, horizon_colour, name_days

MONTH = 21  # trading days
TEST = "test"

Tested = Mapping[int, Mapping[int, HorizonScore]]  # the test days' scores, by the lag of their entry and by horizon


def draw_scores(score: RunScore, daily: pl.DataFrame) -> tuple[go.Figure, ...]:
    """Draw what a run is worth: IC over time, rivals, tenths, equity, calibration, coverage, decay."""
    tested = {lag: entry.split[TEST] for lag, entry in score.entries.items()}
    own = tested[score.entry_lag]
    mine = daily.filter(pl.col(FORECASTER) == NETWORK)
    return (
        draw_ic(mine.filter(pl.col(ENTRY_LAG) == score.entry_lag)),
        draw_rivals(score),
        draw_deciles(tested),
        draw_equity(mine.filter(pl.col(SPLIT) == TEST), score.entry_lag),
        draw_calibration(own),
        draw_coverage(own),
        draw_decay(tested, score.entry_lag),
    )


def draw_ic(daily: pl.DataFrame) -> go.Figure:
    """Draw each horizon's rank IC over time, and its sum."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06)
    days = daily.filter(pl.col(SPLIT) != "train").sort(DATE)
    for (horizon,), mine in days.group_by(HORIZON, maintain_order=True):
        line = {"color": horizon_colour(int(horizon))}
        smooth = mine.select(pl.col("rank_ic").rolling_mean(MONTH, min_samples=MONTH // 2).over(SPLIT)).to_series()
        name = f"{horizon} d"
        figure.add_scatter(
            x=mine[DATE].to_list(), y=smooth.to_list(), name=name, line=line, legendgroup=name, row=1, col=1
        )
        total = mine["rank_ic"].fill_null(0).cum_sum().to_list()
        figure.add_scatter(
            x=mine[DATE].to_list(), y=total, name=name, line=line, legendgroup=name, showlegend=False, row=2, col=1
        )
    if TEST in days[SPLIT]:
        begins = str(days.filter(pl.col(SPLIT) == TEST)[DATE].min())
        figure.add_vline(x=begins, line_dash="dot", line_color=GREY)
        figure.add_annotation(
            x=begins, y=1, yref="paper", text="test begins", showarrow=False, xanchor="left", yanchor="top", xshift=4
        )
    figure.add_hline(y=0, line_color=GREY, line_width=1, row=1, col=1)
    figure.update_yaxes(title_text=f"rank IC, mean of {MONTH} days", row=1, col=1)
    figure.update_yaxes(title_text="sum of daily rank ICs", row=2, col=1)
    return apply_theme(
        figure,
        "Rank IC over time",
        "How well each day's forecasts order the stocks, by horizon. A line that rises steadily below is a forecast "
        "that holds; long horizons look smoother only because their returns overlap.",
        height=560,
    )


def draw_rivals(score: RunScore) -> go.Figure:
    """Draw the test days' rank IC of the run, its baselines and the oracle, from each entry."""
    entries = score.entries
    figure = make_subplots(cols=len(entries), shared_yaxes=True, horizontal_spacing=0.04)
    for column, (lag, entry) in enumerate(entries.items(), start=1):
        figure.update_xaxes(title_text=f"horizon, entered at the {name_entry(lag)}", col=column)
        for name, horizons in _list_rivals(entry):
            figure.add_bar(
                x=[name_days(horizon) for horizon in horizons],
                y=[each.rank_ic.mean for each in horizons.values()],
                error_y=error_bars([each.rank_ic for each in horizons.values()]),
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                marker_color=COLOURS.get(name),
                row=1,
                col=column,
            )
    figure.update_layout(barmode="group")
    figure.update_yaxes(title_text="rank IC on the test days", col=1)
    return apply_theme(
        figure,
        "The run beside its baselines",
        "Mean rank IC with twice its Newey-West error. Bars overlap far more than they differ: what counts is the "
        "paired difference in the table.",
    )


def _list_rivals(entry: EntryScore) -> Iterator[tuple[str, Mapping[int, HorizonScore]]]:
    """List the test scores of the run, its baselines and the oracle that have a rank IC."""
    tables: dict[str, Mapping[int, HorizonScore]] = {NETWORK: entry.split[TEST]}
    for name, parts in entry.baselines.items():
        tables[name] = {horizon: rival.score for horizon, rival in parts.get(TEST, {}).items()}
    if TEST in entry.oracle:
        tables[ORACLE] = entry.oracle[TEST]
    for name, horizons in tables.items():
        if any(each.rank_ic.mean is not None for each in horizons.values()):
            yield name, horizons


def draw_deciles(tested: Tested) -> go.Figure:
    """Draw what each tenth of the forecasts earned, a row for each entry."""
    horizons = list(next(iter(tested.values())))
    titles = [f"{name_days(name)}, {name_entry(lag)}" for lag in tested for name in horizons]
    figure = make_subplots(rows=len(tested), cols=len(horizons), horizontal_spacing=0.08, subplot_titles=titles)
    for row, scores in enumerate(tested.values(), start=1):
        for column, (name, each) in enumerate(scores.items(), start=1):
            earned = [None if value is None else 1e4 * value for value in each.deciles]
            look = {"marker_color": horizon_colour(name), "showlegend": False}
            figure.add_bar(x=list(range(1, 11)), y=earned, row=row, col=column, **look)
            figure.update_xaxes(title_text="tenth", tickvals=[1, 5, 10], row=row, col=column)
        figure.update_yaxes(title_text="bp beyond the day's mean", row=row, col=1)
    return apply_theme(
        figure,
        "Returns by tenth of the forecast",
        "Mean return over the horizon beyond the day's mean, in basis points; the lowest forecasts are tenth 1. "
        "Steps should rise from left to right.",
        height=260 + 200 * len(tested),
    )


def draw_equity(tested: pl.DataFrame, entry_lag: int) -> go.Figure:
    """Draw what the books earned, and how much they traded; of the other entries, net returns only."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.7, 0.3])
    own = pl.col(ENTRY_LAG) == entry_lag
    for (lag, horizon), mine in tested.filter(~own).sort(DATE).group_by(ENTRY_LAG, HORIZON, maintain_order=True):
        if "long_short_net" in mine.columns:
            worth = (100 * ((1 + mine["long_short_net"]).cum_prod() - 1)).to_list()
            name = f"{horizon} d, long-short, net, {name_entry(int(lag))}"
            line = {"color": horizon_colour(int(horizon)), "dash": "dashdot"}
            figure.add_scatter(x=mine[DATE].to_list(), y=worth, name=name, line=line, row=1, col=1)
    for (horizon,), mine in tested.filter(own).sort(DATE).group_by(HORIZON, maintain_order=True):
        days = mine[DATE].to_list()
        for book, what, dash in (
            ("long_short", "net", "solid"),
            ("long_short", "gross", "dot"),
            ("long_only", "net", "dash"),
        ):
            if f"{book}_{what}" in mine.columns:
                worth = (100 * ((1 + mine[f"{book}_{what}"]).cum_prod() - 1)).to_list()
                figure.add_scatter(
                    x=days,
                    y=worth,
                    name=f"{horizon} d, {book.replace('_', '-')}, {what}",
                    line={"color": horizon_colour(int(horizon)), "dash": dash},
                    visible=True if book == "long_short" and (what == "net" or horizon == 1) else "legendonly",
                    row=1,
                    col=1,
                )
        if "long_short_turnover" in mine.columns:
            traded = mine["long_short_turnover"].rolling_mean(MONTH, min_samples=1).to_list()
            figure.add_scatter(
                x=days, y=traded, showlegend=False, line={"color": horizon_colour(int(horizon))}, row=2, col=1
            )
    figure.update_yaxes(title_text="earned, %", row=1, col=1)
    figure.update_yaxes(title_text="turnover a day", rangemode="tozero", row=2, col=1)
    return apply_theme(
        figure,
        "Equity of the books on the test days",
        "The best tenth against the worst (gross weight 1), held for the horizon in staggered books; net of costs, and "
        "gross dotted; net from the other entry dash-dotted. Long-only books, beyond the mean of all stocks, are in "
        "the legend. Below, what is traded. A book of h days is fully invested after h − 1 days.",
        height=620,
    )


def draw_decay(tested: Tested, entry_lag: int) -> go.Figure:
    """Draw how each horizon's forecast fares with the returns of all, from each entry."""
    figure = go.Figure()
    for lag, scores in tested.items():
        for name, each in scores.items():
            figure.add_scatter(
                x=list(each.decay),
                y=list(each.decay.values()),
                name=f"forecast for {name_days(name)}, {name_entry(lag)}",
                mode="lines+markers",
                line={"color": horizon_colour(name), "dash": "solid" if lag == entry_lag else "dash"},
            )
    figure.update_layout(xaxis_title="days over which the return is measured", yaxis_title="IC")
    figure.update_xaxes(tickvals=list(tested[entry_lag]))
    return apply_theme(
        figure,
        "Decay",
        "Each horizon's forecasts against the returns over every horizon; dashed from the entry that the network was "
        "not trained for.",
    )
