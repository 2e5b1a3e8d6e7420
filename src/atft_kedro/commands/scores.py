"""``kedro atft evaluate, metrics, compare, oracle`` and ``folds``: score runs and show their scores."""

import math
from typing import Any

import click
from kedro.io import CatalogProtocol
from rich.table import Table

from ..evaluation.compare_runs import compare_runs, list_horizons_not_compared, read_split_forecasts, require_several
from ..evaluation.run_scores import read_all_returns, read_scores
from ..panel.split import SplitName
from ..reporting.comparison_tables import tabulate_comparison, tabulate_scores
from ..reporting.format import format_number
from ..reporting.run_pages import rescore_run
from ..training.runs import LATEST
from ..walk_forward.report import HEADER, format_folds
from ..walk_forward.score import WalkScore
from .console import make_console, render_table
from .project import load, pass_catalog


def split_option(*splits: str) -> Any:
    """Make the option ``--split`` with these choices."""
    return click.option("--split", type=click.Choice(splits), default="test", show_default=True)


@click.command()
@click.argument("runs", nargs=-1)
@pass_catalog
def evaluate(catalog: CatalogProtocol, runs: tuple[str, ...]) -> None:
    """Score the forecasts of RUNS (default: the latest) again by the returns known now."""
    dataset, run_folders = load(catalog, "mapped_dataset"), catalog["runs"].load()
    evaluation, goals = catalog["params:evaluation"].load(), catalog["params:goals"].load()
    entry_lag = catalog["params:features.entry_lag"].load()
    scores = [rescore_run(run_folders.find(run), dataset, entry_lag, evaluation, goals) for run in runs or [LATEST]]
    make_console().print(render_table(tabulate_scores(scores)))


@click.command()
@click.argument("runs", nargs=-1)
@split_option("train", "validation", "test")
@pass_catalog
def metrics(catalog: CatalogProtocol, runs: tuple[str, ...], split: str) -> None:
    """Show the scores of RUNS (default: all scored runs) in one table."""
    run_folders = catalog["runs"].load()
    folders = [run_folders.find(run) for run in runs or run_folders.names()]
    scores, messages = read_scores(folders, are_required=bool(runs))  # only a run that is named must have a score
    console = make_console()
    console.print(render_table(tabulate_scores(scores, split)))
    for message in messages:
        console.print(message, style="yellow", highlight=False, soft_wrap=True)


@click.command()
@click.argument("runs", nargs=-1, required=True)
@split_option("train", "validation", "test")
@click.option(
    "--trials", default=0, help="Number of tried runs from which RUNS were selected.  [default: the number of RUNS]"
)
@pass_catalog
def compare(catalog: CatalogProtocol, runs: tuple[str, ...], split: str, trials: int) -> None:
    """Compare RUNS on the forecasts that all of them have.

    The difference of each run to the first is paired by day.
    """
    folders = [catalog["runs"].load().find(run) for run in runs]
    require_several(folders)
    forecasts = {folder.name: read_split_forecasts(folder, split) for folder in folders}
    compared = compare_runs(forecasts, read_all_returns(folders), catalog["params:evaluation"].load(), trials)
    console = make_console()
    console.print(render_table(tabulate_comparison(compared, split, trials)))
    for horizon in list_horizons_not_compared(forecasts):
        console.print(f"{horizon}d is not compared: some of these runs do not forecast it.")


@click.command()
@click.argument("run", default=LATEST)
@split_option("validation", "test")
@pass_catalog
def oracle(catalog: CatalogProtocol, run: str, split: SplitName) -> None:
    """Show which share of the oracle's IC the RUN (default: the latest) reaches.

    The oracle knows the expected returns of the simulated market.
    """
    from ..evaluation.oracle import measure_oracle_share
    from ..training.forecasting import load_members
    from ..training.hardware import choose_device

    training_data = load(catalog, "training_data").to(choose_device(catalog["params:training.device"].load()))
    folder = catalog["runs"].load().find(run)
    members = load_members(folder, training_data)
    shares = measure_oracle_share(members, training_data, catalog["oracle"].load().collect(), split)
    title = f"{folder.name}: {len(members)} network(s), {shares[0].ic.days} {split} days"
    table = Table("horizon", "IC", "± se", "oracle's IC", "share", "agreement with the oracle", title=title)
    for share in shares:
        table.add_row(
            *(f"{share.horizon}d", format_number(share.ic.mean), format_number(share.ic.se)),
            *(f"{share.oracle:.4f}", f"{(share.ic.mean or math.nan) / share.oracle:.1%}", f"{share.agreement:.3f}"),
        )
    make_console().print(table)


@click.command()
@pass_catalog
def folds(catalog: CatalogProtocol) -> None:
    """Show the scores of each fold of the newest walk, and which folds failed."""
    make_console().print(render_folds(catalog["walk_score"].load()))


def render_folds(score: WalkScore) -> Table:
    """Render a row for each horizon, fold and entry, and for each failed fold."""
    table = Table("horizon", *HEADER)
    for horizon in score.pooled:
        for row in format_folds(score, horizon):
            table.add_row(f"{horizon}d", *row)
        table.add_section()
    for fold in (fold_score.fold for fold_score in score.folds):
        if fold.reason is not None:
            table.add_row("", fold.name, f"[red]failed[/]: {fold.reason}")
    return table
