"""The page of a benchmark, out of the folders of runs: `docs/benchmarks.md`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from ...evaluation.baselines import ZERO
from ...schema import CODE, DATE, HORIZON, REALISED, SPLIT
from ..comparison import Compared
from ..grid import Grid
from ..saying import say
from ..scoring import FORECASTS
from ..summary import write_grid
from ..tables import tabulate_targets
from ..walk_page import HEAD, tell_folds
from ..walk_score import WalkScore
from .evidence import Evidence, name_difference
from .luck import Luck, try_luck
from .pictures import draw_bars, draw_sums
from .protocol import LIMITS, tabulate_protocol, tabulate_speed
from .tables import tabulate_hold, tabulate_horizons, tabulate_next_day
from .trades import tabulate_costs, tabulate_trades
from .variants import tabulate_variants


@dataclass(frozen=True)
class Walk:
    """A walk's score, and its days."""

    score: WalkScore
    daily: pl.DataFrame


def write_benchmarks(runs: Sequence[Evidence], compared: Sequence[Compared], walk: Walk | None, command: str) -> str:
    """Write what the first run is worth, what the others say of its parts, and what a walk says of other years."""
    first = runs[0]
    shortest = first.horizons[0]
    pages = [
        "# Benchmarks",
        f"<!-- Made by `{command}`; every number comes out of the folders of the runs. Do not edit. -->\n\n"
        f"What the forecasts of run `{first.folder.name}` are worth, beside forecasters that cost nothing, and without "
        "each of its parts. " + _sum_up(first, shortest),
        write_grid(tabulate_targets(first.score)),
        write_grid(tabulate_protocol(first)),
        write_grid(tabulate_next_day(first, shortest, _try_luck(first, shortest))),
        write_grid(tabulate_hold(first, shortest)),
        _draw(first, shortest),
        write_grid(tabulate_horizons(first)),
        write_grid(tabulate_costs(first)),
    ]
    if len(runs) > 1:
        pages.append(write_grid(tabulate_variants(compared, runs, shortest)))
    if walk is not None:
        pages += _tell_walk(walk)
    names = ["as above", *(name_difference(run, first) for run in runs[1:])]
    pages.append(write_grid(tabulate_speed(runs, names)))
    pages.append("## What this does not show\n\n" + "\n".join(f"- {limit}" for limit in LIMITS))
    return "\n\n".join(pages) + "\n"


def _sum_up(run: Evidence, horizon: int) -> str:
    """Say the most important numbers in a sentence."""
    told = run.score.split["test"][f"h{horizon}"]
    leads = []
    for name, parts in run.score.baselines.items():
        lead = parts["test"][f"h{horizon}"].ahead.get("rank_ic")
        if name != ZERO and lead is not None and lead.mean is not None and lead.se:
            leads.append(f"{lead.mean:+.4f} (t {lead.mean / lead.se:.1f}) ahead of {name}")
    return (
        f"Over {horizon} d their rank IC is {say(told.rank_ic.mean)} ± {say(told.rank_ic.se)}, "
        f"their IC {say(told.ic.mean)} ± {say(told.ic.se)} on {told.ic.days} test days: in rank IC {', '.join(leads)}."
    )


def _try_luck(run: Evidence, horizon: int) -> Luck | None:
    """Try luck where published columns are told: over the next day."""
    if horizon != 1:
        return None
    asked = (pl.col(SPLIT) == "test") & (pl.col(HORIZON) == 1)
    return try_luck(pl.scan_parquet(run.folder / FORECASTS).filter(asked).select(DATE, CODE, REALISED).collect())


def _draw(run: Evidence, horizon: int) -> str:
    """Draw the days beside those of the baselines that say something."""
    names = [name for name in run.score.baselines if name != ZERO]
    return draw_sums({"ours": run.days(horizon), **{name: run.days(horizon, name) for name in names}})


def _tell_walk(walk: Walk) -> Iterator[str]:
    """Tell each fold and the whole record over every horizon, and what trading it would have left."""
    first, last = walk.score.days
    for number, name in enumerate(walk.score.pooled):
        note = (
            f"{len(walk.score.folds)} folds, each with a network of its own that was trained, chosen and tested on "
            f"later and later days; {first} to {last}."
        )
        rows = list(tell_folds(walk.score, name))
        yield write_grid(Grid(f"Walk: {name[1:]} d", HEAD, rows, "" if number else note))
        if not number:
            told = [
                (each.fold.name, each.horizons[name].rank_ic.mean or 0.0) for each in walk.score.folds if each.horizons
            ]
            yield draw_bars(f"Rank IC over {name[1:]} d, fold by fold", *map(list, zip(*told, strict=True)))
    days = {int(name[1:]): walk.daily.filter(pl.col(HORIZON) == int(name[1:])).sort(DATE) for name in walk.score.pooled}
    yield write_grid(tabulate_trades(days, "Walk: what is left after costs"))
