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
from .theme import GREY, INK, SHADES, apply_theme, horizon_colour


def plot_positions(result: PositionResult, days: pl.LazyFrame) -> tuple[go.Figure, ...]:
    """Plot all figures of positions; without a score they are empty, and the report omits them."""
    if result.score is None:
        return tuple(apply_theme(go.Figure(), f"{name}: not computed", "") for name in POSITION_FIGURES)
    sorted_days = days.sort(DATE).collect()
    return tuple(plot(result.score, sorted_days) for plot in POSITION_FIGURES.values())


def _list_portfolios(score: PositionScore, days: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame, dict[str, object]]]:
    """Yield the name, the days and the style of each portfolio; only the best decile book is shown at first."""
    shown = {OPTIMISED, f"{BOOK}{score.best_book}"}
    for name in score.portfolios:
        colour = INK if name == OPTIMISED else horizon_colour(int(name.removeprefix(BOOK)))
        style = {"name": name_portfolio(name), "legendgroup": name, "line": {"color": colour}}
        yield name, days.filter(pl.col(PORTFOLIO) == name), {**style, "visible": name in shown or "legendonly"}


def plot_position_equity(score: PositionScore, days: pl.DataFrame) -> go.Figure:
    """Plot the cumulative net return and the drawdown of every portfolio."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.7, 0.3])
    for _, table, style in _list_portfolios(score, days):
        wealth = (1 + table[NET]).cum_prod()
        peak = wealth.cum_max().clip(lower_bound=1.0)
        for row, values in enumerate((wealth - 1, wealth / peak - 1), start=1):
            percent = (100 * values).to_list()
            figure.add_scatter(x=table[DATE].to_list(), y=percent, showlegend=row == 1, row=row, col=1, **style)
    own = days.filter(pl.col(PORTFOLIO) == OPTIMISED)
    gross = (100 * ((1 + own[GROSS]).cum_prod() - 1)).to_list()
    line = {"color": INK, "dash": "dot"}
    figure.add_scatter(x=own[DATE].to_list(), y=gross, name="optimised, before costs", line=line, row=1, col=1)
    figure.update_yaxes(title_text="cumulative return, %", row=1, col=1)
    figure.update_yaxes(title_text="drawdown, %", row=2, col=1)
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
        figure.add_scatter(x=own[DATE].to_list(), y=values, name=name, line={"color": colour}, row=1, col=1)
    for name, table, style in _list_portfolios(score, days):
        turnover = table[TURNOVER].rolling_mean(MONTH, min_samples=1).to_list()
        named = {**style, "name": f"turnover, {name_portfolio(name)}"}
        figure.add_scatter(x=table[DATE].to_list(), y=turnover, row=2, col=1, **named)
    figure.update_yaxes(title_text="share of equity", row=1, col=1)
    figure.update_yaxes(title_text="turnover", rangemode="tozero", row=2, col=1)
    return apply_theme(
        figure,
        "Exposure and turnover of the positions",
        "Top: the optimised positions' sum of absolute weights (gross exposure) and sum of weights (net exposure). "
        f"Bottom: the sum of absolute trades per day, mean of {MONTH} days.",
        height=520,
    )


def plot_costs(score: PositionScore, _: pl.DataFrame) -> go.Figure:
    """Plot the mean costs of every portfolio by kind, stacked, beside its gross return."""
    names = [name_portfolio(name) for name in score.portfolios]
    books = list(score.portfolios.values())
    figure = go.Figure()
    for kind, colour in zip(COST_KINDS, SHADES, strict=False):
        figure.add_bar(x=names, y=[1e4 * book.costs[kind] for book in books], name=kind, marker_color=colour)
    gross = [None if book.gross_mean is None else 1e4 * book.gross_mean for book in books]
    marker = {"color": INK, "symbol": "diamond", "size": 10}
    figure.add_scatter(x=names, y=gross, name="gross return", mode="markers", marker=marker)
    figure.update_layout(barmode="stack", yaxis_title="bp of the equity per day")
    return apply_theme(
        figure,
        "Costs of the positions by kind",
        "Mean per day. The net return is the distance from the top of the bar to the gross return: a diamond above the "
        "bar is a profit after costs.",
    )


def plot_capacity(score: PositionScore, _: pl.DataFrame) -> go.Figure:
    """Plot the net Sharpe ratio over the capital; empty if only one amount has a ratio."""
    figure = go.Figure()
    ratios = {float(capital): ratio for capital, ratio in score.capacity.items() if ratio is not None}
    if ratios:
        points = dict(sorted({**ratios, score.capital: score.optimised.net_sharpe}.items()))
        figure.add_scatter(x=list(points), y=list(points.values()), mode="lines+markers", line_color=INK)
        figure.update_xaxes(title_text="capital", type="log", tickvals=list(points))
        figure.add_vline(x=score.capital, line_dash="dot", line_color=GREY)
    figure.update_yaxes(title_text="net Sharpe ratio")
    return apply_theme(
        figure,
        "Capacity",
        "Net Sharpe ratio of the optimised positions by capital: larger trades move prices more. Dotted: the capital "
        "of the tables and the other figures.",
    )


POSITION_FIGURES: dict[str, Callable[[PositionScore, pl.DataFrame], go.Figure]] = {
    "position_equity": plot_position_equity,
    "position_exposure": plot_exposure,
    "position_costs": plot_costs,
    "position_capacity": plot_capacity,
}
POSITION_PLOTS = [f"{name}_plot" for name in POSITION_FIGURES]
