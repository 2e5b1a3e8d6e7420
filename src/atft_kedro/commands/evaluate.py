"""``kedro atft evaluate``: score stored forecasts again."""

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata

from ..reporting.comparison_tables import tabulate_scores
from ..reporting.run_pages import rescore_run
from ..schema import map_columns
from ..training.runs import LATEST
from .console import make_console, render_table
from .project import open_catalog, project_options


@click.command()
@click.argument("runs", nargs=-1)
@project_options
def evaluate(metadata: ProjectMetadata, runs: tuple[str, ...], env: str | None, params: dict[str, Any]) -> None:
    """Score the forecasts of RUNS (default: the latest) again by the returns known now."""
    with open_catalog(metadata, env, params) as catalog:
        dataset = map_columns(catalog["ml_dataset"].load(), catalog["params:columns"].load())
        evaluation, goals = catalog["params:evaluation"].load(), catalog["params:goals"].load()
        run_folders, entry_lag = catalog["runs"].load(), catalog["params:features.entry_lag"].load()
        scores = [rescore_run(run_folders.find(run), dataset, entry_lag, evaluation, goals) for run in runs or [LATEST]]
    make_console().print(render_table(tabulate_scores(scores)))
