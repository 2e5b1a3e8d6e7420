"""A walk's score as a page of text, as a picture, and as numbers for a tracker."""

from collections.abc import Iterator, Mapping

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from ..evaluation.entries import name_entry
from ..evaluation.score import HorizonScore
from ..reporting.entry_tables import ENTERED, READING, mark_entry
from ..reporting.format import format_number
from ..reporting.theme import apply_theme, horizon_colour
from ..schema import DATE, ENTRY_LAG, HORIZON
from .score import FoldScore, WalkScore
from .walk import list_failures

HEAD = ("fold", "tested", "days", "stocks", ENTERED, "IC", "± se", "rank IC", "± se", "net Sharpe (95 %)")
POOLED = "all"


def write_walk(score: WalkScore) -> str:
    """Tell each fold's numbers and those of the whole record, horizon by horizon."""
    first, last = score.days
    pages = [f"# Walk: {first} to {last}", READING]
    failures = list_failures([each.fold for each in score.folds])
    if failures:
        pages.append(f"Failed, and in none of these numbers:\n\n{failures}")
    for name in score.pooled:
        table = [HEAD, ["---"] * len(HEAD), *tell_folds(score, name)]
        rows = "\n".join(f"| {' | '.join(row)} |" for row in table)
        pages.append(f"## {name} days\n\n{rows}")
    return "\n\n".join(pages) + "\n"


def tell_folds(score: WalkScore, horizon: int) -> Iterator[list[str]]:
    """Tabulate one horizon: a row for each finished fold and entry, and for all folds together."""
    own = score.entry_lag
    for each in score.folds:
        for lag, horizons in each.put_beside(each.horizons, own).items():
            if horizon in horizons:
                told, entry = horizons[horizon], mark_entry(lag, own)
                row = [each.fold.name, _name_days(each), str(told.ic.days), str(each.stocks), entry, *_tell(told)]
                yield row if len(each.fold.tested) == 1 else [*row[:-1], "–"]  # a pause would count as returns
    for lag, horizons in score.entries.items():
        whole = horizons[horizon]
        yield [POOLED, " to ".join(score.days), str(whole.ic.days), "", mark_entry(lag, own), *_tell(whole)]


def _name_days(each: FoldScore) -> str:
    return ", ".join(f"{stretch.first} to {stretch.last}" for stretch in each.fold.tested)


def _tell(told: HorizonScore) -> list[str]:
    book = told.long_short
    between = (
        ""
        if book is None
        else f" ({format_number(book.net_sharpe_low, 1)} to {format_number(book.net_sharpe_high, 1)})"
    )
    traded = "–" if book is None else format_number(book.net_sharpe, 2) + between
    return [
        format_number(told.ic.mean),
        format_number(told.ic.se),
        format_number(told.rank_ic.mean),
        format_number(told.rank_ic.se),
        traded,
    ]


def draw_walk(score: WalkScore, daily: pl.DataFrame) -> go.Figure:
    """Draw each fold's rank IC with its error, and the whole record's rank IC summed up day by day.

    Bars of the entries that the folds were not trained for are paler.
    """
    figure = make_subplots(rows=2, vertical_spacing=0.1)
    for name in score.pooled:
        horizon = name
        look = {"name": f"{horizon} d", "legendgroup": f"{horizon} d", "marker": {"color": horizon_colour(horizon)}}
        for lag in score.entries:
            scored = [
                (each.fold.name, horizons[name].rank_ic)
                for each in score.folds
                if name in (horizons := each.put_beside(each.horizons, score.entry_lag).get(lag, {}))
            ]
            errors = {"type": "data", "array": [2 * (mean.se or 0.0) for _, mean in scored]}
            means = [mean.mean for _, mean in scored]
            is_own = lag == score.entry_lag
            paler = {} if is_own else {"opacity": 0.5, "name": f"{horizon} d, {name_entry(lag)}"}
            figure.add_bar(x=[fold for fold, _ in scored], y=means, error_y=errors, row=1, col=1, **(look | paler))
        own = (pl.col(HORIZON) == horizon) & (pl.col(ENTRY_LAG) == score.entry_lag)
        mine = daily.filter(own).sort(DATE).drop_nulls("rank_ic")
        summed = mine["rank_ic"].cum_sum().to_list()
        figure.add_scatter(x=mine[DATE].to_list(), y=summed, mode="lines", showlegend=False, row=2, col=1, **look)
    figure.update_yaxes(title_text="rank IC ± 2 se", row=1, col=1)
    figure.update_yaxes(title_text="sum of daily rank ICs", row=2, col=1)
    return apply_theme(
        figure,
        "The walk, fold by fold",
        "How well each fold's network orders the stocks on test days that it has never seen, and all test days in a "
        "row below. What holds in one fold only is luck until it comes again.",
        height=640,
    )


def number_folds(score: WalkScore) -> Iterator[tuple[int, Mapping[str, float]]]:
    """Yield the numbers of each fold that finished, with the fold's place, and those of the whole record with 0."""
    yield 0, _number("walk", score.entries, score.entry_lag)
    for place, each in enumerate(score.folds, start=1):
        if each.horizons:
            yield place, _number("fold", each.put_beside(each.horizons, score.entry_lag), score.entry_lag)


def _number(prefix: str, entries: Mapping[int, Mapping[int, HorizonScore]], own: int) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for lag, horizons in entries.items():
        where = prefix if lag == own else f"{prefix}/{name_entry(lag).replace(' ', '_')}"
        for name, told in horizons.items():
            sharpe = told.long_short.net_sharpe if told.long_short else None
            known = {"ic": told.ic.mean, "rank_ic": told.rank_ic.mean, "net_sharpe": sharpe}
            numbers |= {f"{where}/{what}_{name}d": value for what, value in known.items() if value is not None}
    return numbers
