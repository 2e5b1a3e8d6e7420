"""``kedro atft metrics``: show the scores of runs in one table."""

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata

from ..evaluation.run_scores import read_scores
from ..reporting.comparison_tables import tabulate_scores
from .console import make_console, render_table
from .project import open_catalog, project_options

SPLITS = click.Choice(["train", "validation", "test"])


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--split", type=SPLITS, default="test", show_default=True)
@project_options
def metrics(
    metadata: ProjectMetadata, runs: tuple[str, ...], split: str, env: str | None, params: dict[str, Any]
) -> None:
    """Show the scores of RUNS (default: all scored runs) in one table."""
    with open_catalog(metadata, env, params) as catalog:
        run_folders = catalog["runs"].load()
        folders = [run_folders.find(run) for run in runs or run_folders.names()]
        scores, messages = read_scores(folders, are_required=bool(runs))
    console = make_console()
    console.print(render_table(tabulate_scores(scores, split)))
    for message in messages:
        console.print(message, style="yellow", highlight=False, soft_wrap=True)
