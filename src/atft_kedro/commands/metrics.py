"""``kedro atft metrics``: show the scores of runs."""

import click
from kedro.io import CatalogProtocol

from ..evaluation.run_scores import read_scores
from ..reporting.comparison_tables import tabulate_scores
from .command_helpers import pass_catalog, split_option
from .console import make_console, render_table


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
