"""The report of a walk: a page, a figure and metrics."""

from collections.abc import Iterator, Mapping

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from ..evaluation.entries import name_entry
from ..evaluation.score import HorizonScore
from ..reporting.entry_tables import ENTRY_HEADER, ENTRY_NOTE, mark_entry
from ..reporting.position_tables import tabulate_positions
from ..reporting.score_columns import FOLD_COLUMNS, SCORE_COLUMNS, collect_metrics, collect_position_metrics
from ..reporting.table import Table, format_cells, format_markdown_table, list_headers
from ..reporting.theme import apply_theme, error_bars, horizon_colour
from ..schema import DATE, ENTRY_LAG, HORIZON
from .score import WalkScore
from .walk import format_failures

HEADER = ("fold", "tested", "days", "stocks", ENTRY_HEADER, *list_headers(SCORE_COLUMNS, FOLD_COLUMNS))
POOLED = "all"


def build_walk_page(score: WalkScore) -> str:
    """Build the page of a walk: a table of all folds for each horizon."""
    sections = [f"# Walk: {' to '.join(score.days)}", ENTRY_NOTE]
    failures = format_failures([fold_score.fold for fold_score in score.folds])
    if failures:
        sections.append(f"These folds failed and are not included:\n\n{failures}")
    for horizon in score.pooled:
        sections.append(format_markdown_table(Table(f"{horizon} days", HEADER, list(format_folds(score, horizon)))))
    sections += map(format_markdown_table, tabulate_positions(score.positions))
    return "\n\n".join(sections) + "\n"


def format_folds(score: WalkScore, horizon: int) -> Iterator[list[str]]:
    """Format a row for each finished fold and entry over a horizon, and for the pooled days."""
    for fold_score in score.folds:
        fold = fold_score.fold
        days = ", ".join(f"{dates.first} to {dates.last}" for dates in fold.tested)
        for lag, horizons in fold_score.by_entry(score.entry_lag).items():
            if horizon in horizons:
                values = _format_score(horizons[horizon], mark_entry(lag, score.entry_lag), str(fold_score.stocks))
                # Days between several test ranges have no positions; a Sharpe ratio would count them as zero returns.
                yield [fold.name, days, *(values if len(fold.tested) == 1 else [*values[:-1], "–"])]
    for lag, horizons in score.entries.items():
        yield [POOLED, " to ".join(score.days), *_format_score(horizons[horizon], mark_entry(lag, score.entry_lag), "")]


def _format_score(score: HorizonScore, entry: str, stocks: str) -> list[str]:
    return [str(score.ic.days), stocks, entry, *format_cells(SCORE_COLUMNS, FOLD_COLUMNS, score)]


def plot_walk(score: WalkScore, daily: pl.DataFrame) -> go.Figure:
    """Plot each fold's rank IC, and the cumulative rank IC of the pooled days.

    Bars of entries that the folds were not trained for are transparent.
    """
    figure = make_subplots(rows=2, vertical_spacing=0.1)
    for horizon in score.pooled:
        style = {"name": f"{horizon} d", "legendgroup": f"{horizon} d", "marker": {"color": horizon_colour(horizon)}}
        for lag in score.entries:
            means = {
                fold_score.fold.name: horizons[horizon].rank_ic
                for fold_score in score.folds
                if horizon in (horizons := fold_score.by_entry(score.entry_lag).get(lag, {}))
            }
            changes = {} if lag == score.entry_lag else {"opacity": 0.5, "name": f"{horizon} d, {name_entry(lag)}"}
            heights, errors = [mean.mean for mean in means.values()], error_bars(list(means.values()))
            figure.add_bar(x=list(means), y=heights, error_y=errors, row=1, col=1, **(style | changes))
        is_shown = (pl.col(HORIZON) == horizon) & (pl.col(ENTRY_LAG) == score.entry_lag)
        days = daily.filter(is_shown).sort(DATE).drop_nulls("rank_ic")
        sums = days["rank_ic"].cum_sum().to_list()
        figure.add_scatter(x=days[DATE].to_list(), y=sums, mode="lines", showlegend=False, row=2, col=1, **style)
    figure.update_yaxes(title_text="rank IC ± 2 se", row=1, col=1)
    figure.update_yaxes(title_text="cumulative rank IC", row=2, col=1)
    return apply_theme(
        figure,
        "The walk, fold by fold",
        "Top: rank IC of each fold on its test days, which were not used to train its networks. Bottom: cumulative "
        "daily rank IC of all test days. A result that holds in one fold only can be chance.",
        height=640,
    )


def collect_walk_metrics(score: WalkScore) -> Iterator[tuple[int, Mapping[str, float]]]:
    """Yield the metrics of the pooled days (step 0) and of each finished fold (its number)."""
    yield 0, collect_metrics("walk", score.entries, score.entry_lag) | collect_position_metrics("walk", score.positions)
    for number, fold_score in enumerate(score.folds, start=1):
        if fold_score.horizons:
            yield number, collect_metrics("fold", fold_score.by_entry(score.entry_lag), score.entry_lag)
