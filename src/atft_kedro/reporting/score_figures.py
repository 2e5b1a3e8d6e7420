"""Figures of a run's score; each entry of `SCORE_FIGURES` is a plot in the report and in the catalog."""

from collections.abc import Callable, Iterator, Mapping

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from ..evaluation.compare_baselines import NETWORK
from ..evaluation.entries import name_entry
from ..evaluation.oracle import ORACLE
from ..evaluation.score import EntryScore, HorizonScore, RunScore
from ..schema import DATE, ENTRY_LAG, FORECASTER, HORIZON, SPLIT
from .calibration_figures import plot_calibration, plot_coverage
from .theme import FORECASTER_COLOURS, GREY, apply_theme, error_bars, horizon_colour

MONTH = 21  # trading days
TEST = "test"
EQUITY_LINES = (("long_short", "net", "solid"), ("long_short", "gross", "dot"), ("long_only", "net", "dash"))


def plot_scores(score: RunScore, daily: pl.DataFrame) -> tuple[go.Figure, ...]:
    """Plot all figures of a run's score from the score and its daily values."""
    days = daily.filter(pl.col(FORECASTER) == NETWORK)
    return tuple(plot(score, days) for plot in SCORE_FIGURES.values())


def plot_rank_ic(score: RunScore, daily: pl.DataFrame) -> go.Figure:
    """Plot each horizon's monthly and cumulative rank IC over time."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06)
    days = daily.filter(pl.col(ENTRY_LAG) == score.entry_lag, pl.col(SPLIT) != "train").sort(DATE)
    for (horizon,), rows in days.group_by(HORIZON, maintain_order=True):
        monthly = rows.select(pl.col("rank_ic").rolling_mean(MONTH, min_samples=MONTH // 2).over(SPLIT)).to_series()
        cumulative = rows["rank_ic"].fill_null(0).cum_sum()
        style = {"name": f"{horizon} d", "line": {"color": horizon_colour(int(horizon))}, "legendgroup": f"{horizon} d"}
        for row, values in enumerate((monthly, cumulative), start=1):
            dates = rows[DATE].to_list()
            figure.add_scatter(x=dates, y=values.to_list(), showlegend=row == 1, row=row, col=1, **style)
    if TEST in days[SPLIT]:
        start = str(days.filter(pl.col(SPLIT) == TEST)[DATE].min())
        figure.add_vline(x=start, line_dash="dot", line_color=GREY)
        anchor = {"xanchor": "left", "yanchor": "top", "xshift": 4}
        figure.add_annotation(x=start, y=1, yref="paper", text="test begins", showarrow=False, **anchor)
    figure.add_hline(y=0, line_color=GREY, line_width=1, row=1, col=1)
    figure.update_yaxes(title_text=f"rank IC, mean of {MONTH} days", row=1, col=1)
    figure.update_yaxes(title_text="cumulative rank IC", row=2, col=1)
    return apply_theme(
        figure,
        "Rank IC over time",
        "How well the forecasts of each day order the stocks, by horizon. A lower line that rises steadily means that "
        "the forecasts keep their skill. Long horizons look smoother only because their returns overlap.",
        height=560,
    )


def plot_baselines(score: RunScore, _: pl.DataFrame) -> go.Figure:
    """Plot the test rank IC of the run, its baselines and the oracle, at each entry."""
    entries = score.entries
    figure = make_subplots(cols=len(entries), shared_yaxes=True, horizontal_spacing=0.04)
    for column, (lag, entry) in enumerate(entries.items(), start=1):
        figure.update_xaxes(title_text=f"horizon, entered at the {name_entry(lag)}", col=column)
        for name, horizons in _list_forecasters(entry):
            means = [horizon_score.rank_ic for horizon_score in horizons.values()]
            figure.add_bar(
                x=[f"{horizon} d" for horizon in horizons],
                y=[mean.mean for mean in means],
                error_y=error_bars(means),
                name=name,
                legendgroup=name,
                showlegend=column == 1,
                marker_color=FORECASTER_COLOURS.get(name),
                row=1,
                col=column,
            )
    figure.update_layout(barmode="group")
    figure.update_yaxes(title_text="rank IC on the test days", col=1)
    return apply_theme(
        figure,
        "The run and its baselines",
        "Mean rank IC with two Newey-West standard errors. The errors of two forecasters are strongly correlated, so "
        "compare them by the paired differences in the table.",
    )


def _list_forecasters(entry: EntryScore) -> Iterator[tuple[str, Mapping[int, HorizonScore]]]:
    """Yield the test scores of the run, its baselines and the oracle that have a rank IC."""
    scores: dict[str, Mapping[int, HorizonScore]] = {NETWORK: entry.split[TEST]}
    for name, splits in entry.baselines.items():
        scores[name] = {horizon: baseline.score for horizon, baseline in splits.get(TEST, {}).items()}
    if TEST in entry.oracle:
        scores[ORACLE] = entry.oracle[TEST]
    for name, horizons in scores.items():
        if any(score.rank_ic.mean is not None for score in horizons.values()):
            yield name, horizons


def plot_deciles(score: RunScore, _: pl.DataFrame) -> go.Figure:
    """Plot the mean return of each decile of the forecasts, a row for each entry."""
    entries, horizons = score.entries, list(score.split[TEST])
    titles = [f"{horizon} d, {name_entry(lag)}" for lag in entries for horizon in horizons]
    figure = make_subplots(rows=len(entries), cols=len(horizons), horizontal_spacing=0.08, subplot_titles=titles)
    for row, entry in enumerate(entries.values(), start=1):
        for column, (horizon, horizon_score) in enumerate(entry.split[TEST].items(), start=1):
            returns = [None if value is None else 1e4 * value for value in horizon_score.deciles]
            style = {"marker_color": horizon_colour(horizon), "showlegend": False}
            figure.add_bar(x=list(range(1, 11)), y=returns, row=row, col=column, **style)
            figure.update_xaxes(title_text="decile", tickvals=[1, 5, 10], row=row, col=column)
        figure.update_yaxes(title_text="bp above the day's mean", row=row, col=1)
    return apply_theme(
        figure,
        "Returns by decile of the forecast",
        "Mean return over the horizon minus the mean return of the day, in basis points. Decile 1 has the lowest "
        "forecasts. Bars should rise from left to right.",
        height=260 + 200 * len(entries),
    )


def plot_equity(score: RunScore, daily: pl.DataFrame) -> go.Figure:
    """Plot the cumulative returns and the turnover of the test portfolios."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.7, 0.3])
    days = daily.filter(pl.col(SPLIT) == TEST).sort(DATE)
    is_trained_entry = pl.col(ENTRY_LAG) == score.entry_lag
    for (lag, horizon), rows in days.filter(~is_trained_entry).group_by(ENTRY_LAG, HORIZON, maintain_order=True):
        if "long_short_net" in rows.columns:
            name = f"{horizon} d, long-short, net, {name_entry(int(lag))}"
            _add_equity(figure, rows, "long_short_net", name=name, dash="dashdot", horizon=int(horizon))
    for (horizon,), rows in days.filter(is_trained_entry).group_by(HORIZON, maintain_order=True):
        for portfolio, kind, dash in EQUITY_LINES:
            if f"{portfolio}_{kind}" in rows.columns:
                name = f"{horizon} d, {portfolio.replace('_', '-')}, {kind}"
                _add_equity(figure, rows, f"{portfolio}_{kind}", name=name, dash=dash, horizon=int(horizon))
                is_shown = portfolio == "long_short" and (kind == "net" or horizon == 1)
                figure.data[-1].visible = True if is_shown else "legendonly"
        if "long_short_turnover" in rows.columns:
            turnover = rows["long_short_turnover"].rolling_mean(MONTH, min_samples=1).to_list()
            style = {"showlegend": False, "line": {"color": horizon_colour(int(horizon))}}
            figure.add_scatter(x=rows[DATE].to_list(), y=turnover, row=2, col=1, **style)
    figure.update_yaxes(title_text="cumulative return, %", row=1, col=1)
    figure.update_yaxes(title_text="turnover per day", rangemode="tozero", row=2, col=1)
    return apply_theme(
        figure,
        "Equity of the portfolios on the test days",
        "Long-short portfolios (absolute weights sum to 1), held for the horizon. Solid: net of costs; dotted: gross; "
        "dash-dotted: net at the other entry. Click the legend to show long-only portfolios: their return minus the "
        "mean return of all stocks. Bottom: turnover. A portfolio over h days is fully invested from day h on.",
        height=620,
    )


def _add_equity(figure: go.Figure, rows: pl.DataFrame, column: str, *, name: str, dash: str, horizon: int) -> None:
    wealth = (100 * ((1 + rows[column]).cum_prod() - 1)).to_list()
    line = {"color": horizon_colour(horizon), "dash": dash}
    figure.add_scatter(x=rows[DATE].to_list(), y=wealth, name=name, line=line, row=1, col=1)


def plot_decay(score: RunScore, _: pl.DataFrame) -> go.Figure:
    """Plot the IC of each horizon's forecasts with the returns over every horizon."""
    figure = go.Figure()
    for lag, entry in score.entries.items():
        for horizon, horizon_score in entry.split[TEST].items():
            dash = "solid" if lag == score.entry_lag else "dash"
            figure.add_scatter(
                x=list(horizon_score.decay),
                y=list(horizon_score.decay.values()),
                name=f"forecast for {horizon} d, {name_entry(lag)}",
                mode="lines+markers",
                line={"color": horizon_colour(horizon), "dash": dash},
            )
    figure.update_layout(xaxis_title="days over which the return is measured", yaxis_title="IC")
    figure.update_xaxes(tickvals=list(score.split[TEST]))
    return apply_theme(
        figure,
        "Decay",
        "IC of the forecasts of each horizon with the returns over every horizon. Dashed: the entry that the network "
        "was not trained for.",
    )


SCORE_FIGURES: dict[str, Callable[[RunScore, pl.DataFrame], go.Figure]] = {
    "ic_plot": plot_rank_ic,
    "baselines_plot": plot_baselines,
    "decile_plot": plot_deciles,
    "equity_plot": plot_equity,
    "calibration_plot": lambda score, _: plot_calibration(score.split[TEST]),
    "coverage_plot": lambda score, _: plot_coverage(score.split[TEST]),
    "decay_plot": plot_decay,
}
