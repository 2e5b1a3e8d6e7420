"""``kedro atft evaluate``: score the forecasts of runs again."""

import click
from kedro.io import CatalogProtocol

from ..reporting.comparison_tables import tabulate_scores
from ..reporting.run_pages import rescore_run
from ..training.runs import LATEST
from .console import make_console, render_table
from .project import load, pass_catalog


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
