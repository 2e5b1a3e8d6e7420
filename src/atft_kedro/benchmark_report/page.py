"""The page of a benchmark, out of the folders of runs: `docs/benchmarks.md`."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from ..evaluation.baselines import ZERO
from ..evaluation.compare_runs import RunComparison
from ..evaluation.entries import name_entry
from ..evaluation.forecast_table import FORECASTS, open_table
from ..evaluation.score import EntryScore
from ..reporting.format import format_difference, format_number
from ..reporting.run_tables import tabulate_goals
from ..reporting.summary import format_markdown_table
from ..schema import CODE, DATE, HORIZON, REALISED, SPLIT
from .ablations import tabulate_variants
from .costs_table import tabulate_costs
from .figures import draw_sums
from .protocol import LIMITS, tabulate_protocol, tabulate_speed
from .published_columns import tabulate_columns
from .random_baseline import try_luck
from .run_diff import name_difference
from .run_evidence import Evidence
from .tables import METRICS, STRONG, list_others, tabulate_beside, tabulate_hold, tabulate_horizons
from .walk_section import Walk, write_walk


def write_benchmarks(
    runs: Sequence[Evidence], compared: Sequence[RunComparison], walk: Walk | None, command: str
) -> str:
    """Write what the first run is worth, what the others say of its parts, and what a walk says of other years."""
    first = runs[0]
    shortest = first.horizons[0]
    longer = [run for run in runs[1:] if run.stretch("train") != first.stretch("train")]
    pages = [
        f"# Benchmarks\n\n<!-- Made by `{command}` out of the folders of the runs. Do not edit. -->",
        _sum_up(first, shortest),
        *(f"{_say_past(run).capitalize()}: {_tell(run, shortest)}" for run in longer),
        format_markdown_table(tabulate_goals(first.score)),
        *(
            format_markdown_table(replace(tabulate_goals(run.score), title=f"Targets, {_say_past(run)}"))
            for run in longer
        ),
        format_markdown_table(tabulate_protocol(first)),
        format_markdown_table(tabulate_beside(first, shortest)),
        _draw(first, shortest),
        *(format_markdown_table(tabulate_hold(first, shortest, "", lag)) for lag in (None, *list_others(first.score))),
    ]
    for run in longer:
        past = f", {_say_past(run)}"
        pages.append(format_markdown_table(tabulate_beside(run, shortest, past)))
        pages += [
            format_markdown_table(tabulate_hold(run, shortest, past, lag)) for lag in (None, *list_others(run.score))
        ]
    if first.score.published:
        pages.append(format_markdown_table(tabulate_columns(runs, try_luck(_read_next_day(first)))))
    pages += [format_markdown_table(tabulate_horizons(first)), format_markdown_table(tabulate_costs(first))]
    pages += [
        format_markdown_table(tabulate_costs(run, f"What is left after costs, {_say_past(run)}")) for run in longer
    ]
    if len(runs) > 1:
        pages.append(format_markdown_table(tabulate_variants(compared, runs, shortest)))
    if walk is not None:
        pages += write_walk(walk, first)
    names = ["as above", *(name_difference(run.manifest, first.manifest) for run in runs[1:])]
    pages.append(format_markdown_table(tabulate_speed(runs, names)))
    pages.append("## What this does not show\n\n" + "\n".join(f"- {limit}" for limit in LIMITS))
    return "\n\n".join(pages) + "\n"


def _sum_up(run: Evidence, horizon: int) -> str:
    """Say what the page is about, and its most important numbers."""
    days = run.score.split["test"][horizon].ic.days
    return f"What forecasts are worth on {days} test days, over {horizon} d. {_tell(run, horizon)}"


def _say_past(run: Evidence) -> str:
    """Say from when on a run's networks were trained."""
    return f"trained from {run.stretch('train').first} on"


def _tell(run: Evidence, horizon: int) -> str:
    """Tell the most important numbers of a run."""
    said = f"Run `{run.folder.name}` has {_tell_entry(run.score, horizon)}"
    for lag, entry in list_others(run.score).items():
        said += f" Entered at the {name_entry(lag)}, it has {_tell_entry(entry, horizon)}"
    return said


def _tell_entry(score: EntryScore, horizon: int) -> str:
    """Format the most important numbers of a run for one entry."""
    told = score.split["test"][horizon]
    said = (
        f"a rank IC of {format_number(told.rank_ic.mean)} ± {format_number(told.rank_ic.se)} and an IC of "
        f"{format_number(told.ic.mean)} ± {format_number(told.ic.se)} (ICIR {format_number(told.ic.ir, 3)})."
    )
    for name in STRONG:
        if name in score.baselines:
            ahead = score.baselines[name]["test"][horizon].differences
            leads = (f"{format_difference(ahead.get(metric))} in {what}" for metric, what in METRICS)
            said += f" Ahead of {name}: {' and '.join(leads)}."
    return said


def _read_next_day(run: Evidence) -> pl.DataFrame:
    asked = (pl.col(SPLIT) == "test") & (pl.col(HORIZON) == 1)
    return open_table(run.folder / FORECASTS).filter(asked).select(DATE, CODE, REALISED).collect()


def _draw(run: Evidence, horizon: int) -> str:
    """Draw the days beside those of the baselines that say something."""
    names = [name for name in run.score.baselines if name != ZERO]
    return draw_sums({"ours": run.days(horizon), **{name: run.days(horizon, name) for name in names}})
