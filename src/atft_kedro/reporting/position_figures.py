"""Figures of positions after costs; each entry of `POSITION_FIGURES` is a plot in the report and in the catalog."""

from collections.abc import Callable, Iterator

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from ..evaluation.position_score import (
    BOOK,
    COST_KINDS,
    GROSS,
    GROSS_EXPOSURE,
    NET,
    NET_EXPOSURE,
    OPTIMISED,
    PORTFOLIO,
    TURNOVER,
    PositionResult,
    PositionScore,
)
from ..schema import DATE
from .position_tables import name_portfolio
from .score_figures import MONTH
from .theme import INK, SHADES, apply_theme, horizon_colour


def plot_positions(result: PositionResult, days: pl.LazyFrame) -> tuple[go.Figure, ...]:
    """Plot all figures of positions; without a score they are empty, and the report omits them."""
    if result.score is None:
        return tuple(apply_theme(go.Figure(), f"{name}: not computed", "") for name in POSITION_FIGURES)
    sorted_days = days.sort(DATE).collect()
    return tuple(plot(result.score, sorted_days) for plot in POSITION_FIGURES.values())


def _list_portfolios(score: PositionScore, days: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame, dict[str, object]]]:
    """Yield the title, the days and the style of each portfolio; only the best decile book is shown at first."""
    for name in score.portfolios:
        colour = INK if name == OPTIMISED else horizon_colour(int(name.removeprefix(BOOK)))
        is_shown = name in {OPTIMISED, f"{BOOK}{score.best_book}"}
        style: dict[str, object] = {"legendgroup": name, "line_color": colour, "visible": is_shown or "legendonly"}
        yield name_portfolio(name), days.filter(pl.col(PORTFOLIO) == name), style


def plot_position_equity(score: PositionScore, days: pl.DataFrame) -> go.Figure:
    """Plot the cumulative net return and the drawdown of every portfolio."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.7, 0.3])
    for title, table, style in _list_portfolios(score, days):
        wealth, dates = (1 + table[NET]).cum_prod(), table[DATE].to_list()
        losses = wealth / wealth.cum_max().clip(lower_bound=1.0) - 1
        figure.add_scatter(x=dates, y=(100 * (wealth - 1)).to_list(), name=title, row=1, col=1, **style)
        figure.add_scatter(x=dates, y=(100 * losses).to_list(), name=title, showlegend=False, row=2, col=1, **style)
    own, line = days.filter(pl.col(PORTFOLIO) == OPTIMISED), {"color": INK, "dash": "dot"}
    gross = (100 * ((1 + own[GROSS]).cum_prod() - 1)).to_list()
    figure.add_scatter(x=own[DATE].to_list(), y=gross, name="optimised, before costs", line=line, row=1, col=1)
    figure.update_layout(yaxis_title="cumulative return, %", yaxis2_title="drawdown, %")
    return apply_theme(
        figure,
        "Equity of the positions after costs",
        "Net of all costs; dotted: the optimised positions before costs. Click the legend to show the other decile "
        "books. Portfolios have different risks: compare Sharpe ratios, not end points. Bottom: loss from the last "
        "peak.",
        height=560,
    )


def plot_exposure(score: PositionScore, days: pl.DataFrame) -> go.Figure:
    """Plot the exposure of the optimised positions, and the turnover of every portfolio."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.08)
    own = days.filter(pl.col(PORTFOLIO) == OPTIMISED)
    for column, colour in ((GROSS_EXPOSURE, INK), (NET_EXPOSURE, SHADES[1])):
        values, name = own[column].to_list(), column.replace("_", " ")
        figure.add_scatter(x=own[DATE].to_list(), y=values, name=name, line_color=colour, row=1, col=1)
    for title, table, style in _list_portfolios(score, days):
        turnover = table[TURNOVER].rolling_mean(MONTH, min_samples=1).to_list()
        figure.add_scatter(x=table[DATE].to_list(), y=turnover, name=f"turnover, {title}", row=2, col=1, **style)
    figure.update_layout(yaxis_title="share of equity", yaxis2={"title": "turnover", "rangemode": "tozero"})
    return apply_theme(
        figure,
        "Exposure and turnover of the positions",
        "Top: the optimised positions' sum of absolute weights (gross exposure) and sum of weights (net exposure). "
        f"Bottom: the sum of absolute trades per day, mean of {MONTH} days.",
        height=520,
    )


def plot_costs(score: PositionScore, _: pl.DataFrame) -> go.Figure:
    """Plot the mean costs of every portfolio by kind, stacked, beside its gross return."""
    names, scores, figure = [name_portfolio(name) for name in score.portfolios], score.portfolios.values(), go.Figure()
    for kind, colour in zip(COST_KINDS, SHADES, strict=False):
        figure.add_bar(x=names, y=[1e4 * own.costs[kind] for own in scores], name=kind, marker_color=colour)
    gross = [1e4 * (own.gross_mean or 0) for own in scores]
    marker = {"color": INK, "symbol": "diamond", "size": 10}
    figure.add_scatter(x=names, y=gross, name="gross return", mode="markers", marker=marker)
    figure.update_layout(barmode="stack", yaxis_title="bp of the equity per day")
    return apply_theme(
        figure,
        "Costs of the positions by kind",
        "Mean per day. The net return is the distance from the top of the bar to the gross return: a diamond above the "
        "bar is a profit after costs.",
    )


def plot_sensitivity(score: PositionScore, _: pl.DataFrame) -> go.Figure:
    """Plot the net Sharpe ratio over the values of changed parameters; empty without any."""
    panels = {name: ratios for name, ratios in score.sensitivity.items() if _count_known(ratios) > 1}
    figure = make_subplots(cols=max(len(panels), 1), shared_yaxes=True, horizontal_spacing=0.03)
    for column, (name, ratios) in enumerate(panels.items(), 1):
        values = sorted(ratios, key=_sort_value)
        heights, own = [ratios[value] for value in values], score.own_values[name]
        style = {"line_color": INK, "showlegend": False}
        figure.add_scatter(x=values, y=heights, mode="lines+markers", row=1, col=column, **style)
        marker = {"color": INK, "symbol": "diamond", "size": 12}
        figure.add_scatter(x=[own], y=[ratios[own]], marker=marker, showlegend=False, row=1, col=column)
        figure.update_xaxes(title_text=name, type="category", row=1, col=column)
    figure.update_layout(yaxis_title="net Sharpe ratio")
    return apply_theme(
        figure,
        "Sensitivity of the positions to their parameters",
        "Net Sharpe ratio of the optimised positions with one parameter changed (positions.sensitivity). Diamond: the "
        "value of the tables and the other figures.",
    )


def _count_known(ratios: dict[str, float | None]) -> int:
    return sum(ratio is not None for ratio in ratios.values())


def _sort_value(value: str) -> tuple[bool, float, str]:
    """Sort numbers by size, then other values."""
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


POSITION_FIGURES: dict[str, Callable[[PositionScore, pl.DataFrame], go.Figure]] = {
    "position_equity": plot_position_equity,
    "position_exposure": plot_exposure,
    "position_costs": plot_costs,
    "position_sensitivity": plot_sensitivity,
}
POSITION_PLOTS = [f"{name}_plot" for name in POSITION_FIGURES]
