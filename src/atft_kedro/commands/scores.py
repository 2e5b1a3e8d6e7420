"""What trained runs are worth: score one anew, or put many into one table."""

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..evaluation.compare_runs import (
    RunComparison,
    compare_runs,
    list_horizons_not_compared,
    read_split_forecasts,
    require_several,
)
from ..evaluation.run_scores import read_all_returns, read_scores
from ..evaluation.score import RunScore
from ..reporting.entry_tables import mark_horizon
from ..reporting.format import format_difference, format_number
from ..reporting.run_pages import rescore_run
from ..reporting.run_tables import HEAD, tell
from ..schema import map_columns
from ..training.runs import LATEST
from .console import make_console
from .project import open_catalog, project_options

RUNS = click.argument("runs", nargs=-1)
COMPARED = ("horizon", "run", "IC ± se", "rank IC ± se", "net Sharpe", "deflated", "rank IC ahead", "days", "left out")
PARTS = click.Choice(["train", "validation", "test"])
DEFLATED = (
    "deflated (Sharpe ratio): the probability that the net Sharpe ratio is above the best that chance gives to {tried} "
    "runs. It depends on the runs listed: on their number (or --trials), and on how much their ratios differ."
)
ENTRY_READING = "same, next: entered at the forecast's own close or at the next one; * what the run was trained for"


@click.command()
@RUNS
@project_options
def evaluate(metadata: ProjectMetadata, runs: tuple[str, ...], env: str | None, params: dict[str, Any]) -> None:
    """Score the forecasts of RUNS anew (default: the latest run) by the returns that are known now."""
    with open_catalog(metadata, env, params) as catalog:
        dataset = map_columns(catalog["ml_dataset"].load(), catalog["params:columns"].load())
        how, wanted = catalog["params:evaluation"].load(), catalog["params:goals"].load()
        kept, entry_lag = catalog["runs"].load(), catalog["params:features.entry_lag"].load()
        scores = [rescore_run(kept.find(run), dataset, entry_lag, how, wanted) for run in runs or [LATEST]]
    make_console().print(draw_scores(scores))


@click.command()
@RUNS
@click.option("--part", type=PARTS, default="test", show_default=True)
@project_options
def metrics(
    metadata: ProjectMetadata, runs: tuple[str, ...], part: str, env: str | None, params: dict[str, Any]
) -> None:
    """Show in one table what RUNS were scored (default: all that were)."""
    with open_catalog(metadata, env, params) as catalog:
        kept = catalog["runs"].load()
        scores, unreadable = read_scores([kept.find(run) for run in runs or kept.names()], are_required=bool(runs))
    console = make_console()
    console.print(draw_scores(scores, part))
    for reason in unreadable:
        console.print(reason, style="yellow", highlight=False, soft_wrap=True)


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--part", type=PARTS, default="test", show_default=True)
@click.option("--trials", default=0, help="Of how many runs these are the best; by default there were no others.")
@project_options
def compare(
    metadata: ProjectMetadata, runs: tuple[str, ...], part: str, trials: int, env: str | None, params: dict[str, Any]
) -> None:
    """Put RUNS side by side on what all of them forecast; each is paired by day with the first."""
    with open_catalog(metadata, env, params) as catalog:
        kept, how = catalog["runs"].load(), catalog["params:evaluation"].load()
        folders = [kept.find(run) for run in runs]
        require_several(folders)
        said = {folder.name: read_split_forecasts(folder, part) for folder in folders}
        compared = compare_runs(said, read_all_returns(folders), how, trials)
    console = make_console()
    console.print(draw_comparison(compared, part, trials))
    for horizon in list_horizons_not_compared(said):
        console.print(f"Not all runs forecast {horizon}d: it is not compared.")


def draw_comparison(compared: list[RunComparison], part: str, trials: int) -> Table:
    """Draw a row for each horizon, entry and run; runs are numbered, for their names are long."""
    runs = list(dict.fromkeys(row.run for row in compared))
    named = "\n".join(f"{number} = {run}" for number, run in enumerate(runs, start=1))
    table = Table(
        *COMPARED,
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title=f"{part} days, forecasts that all runs have\n{named}",
        caption=f"{DEFLATED.format(tried=max(trials, len(runs)))}\n{ENTRY_READING}",
    )
    for row in compared:
        score, book = row.score, row.score.long_short
        table.add_row(
            mark_horizon(row.horizon, row.entry_lag, row.trained_lag),
            str(1 + runs.index(row.run)),
            f"{format_number(score.ic.mean)} ± {format_number(score.ic.se)}",
            f"{format_number(score.rank_ic.mean)} ± {format_number(score.rank_ic.se)}",
            format_number(book.net_sharpe if book else None, 2),
            format_number(row.deflated, 3),
            format_difference(row.differences.get("rank_ic")) if row.differences else "",
            str(score.ic.days),
            f"{row.left_out:,}",
            end_section=row.run == runs[-1],
        )
    return table


def draw_scores(scores: list[RunScore], part: str | None = None) -> Table:
    """Draw a row for each run, part, horizon and entry; runs are numbered, for their names are long."""
    named = "\n".join(f"{number} = {score.run}" for number, score in enumerate(scores, start=1))
    table = Table("run", "part", *HEAD, title=named, caption=ENTRY_READING, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, score in enumerate(scores, start=1):
        for name, horizons in score.split.items():
            if part in {None, name}:
                for horizon in horizons:
                    for lag, entry in score.entries.items():
                        label = mark_horizon(horizon, lag, score.entry_lag)
                        table.add_row(str(number), name, label, *tell(entry.split[name][horizon]))
                table.add_section()
    return table
