"""``kedro atft evaluate``: score the forecasts of runs again."""

import click
from kedro.io import CatalogProtocol

from ..reporting.comparison_tables import tabulate_scores
from ..reporting.run_pages import rescore_run
from ..training.runs import LATEST
from .command_helpers import load_dataset, pass_catalog
from .console import make_console, render_table


@click.command()
@click.argument("runs", nargs=-1)
@pass_catalog
def evaluate(catalog: CatalogProtocol, runs: tuple[str, ...]) -> None:
    """Score the forecasts of RUNS (default: the latest) again by the returns known now."""
    dataset, run_folders = load_dataset(catalog, "mapped_dataset"), catalog["runs"].load()
    evaluation, goals = catalog["params:evaluation"].load(), catalog["params:goals"].load()
    entry_lag = catalog["params:features.entry_lag"].load()
    scores = [rescore_run(run_folders.find(run), dataset, entry_lag, evaluation, goals) for run in runs or [LATEST]]
    make_console().print(render_table(tabulate_scores(scores)))
