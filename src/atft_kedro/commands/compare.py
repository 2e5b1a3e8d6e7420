"""``kedro atft compare``: compare runs on the forecasts that all of them have."""

import click
from kedro.io import CatalogProtocol

from ..evaluation.compare_runs import (
    compare_runs,
    list_horizons_not_compared,
    read_split_forecasts,
    require_two_or_more_runs,
)
from ..evaluation.run_scores import read_all_returns, read_scores, use_run_units
from ..reporting.comparison_tables import tabulate_comparison
from ..reporting.position_tables import tabulate_compared_positions
from .command_helpers import pass_catalog, split_option
from .console import make_console, render_table


@click.command()
@click.argument("runs", nargs=-1, required=True)
@split_option("train", "validation", "test")
@click.option(
    "--trials",
    default=0,
    type=click.IntRange(min=0),
    help="Number of all runs that you tried, at least the number of RUNS, for the deflated Sharpe ratio.  "
    "[default: the number of RUNS]",
)
@pass_catalog
def compare(catalog: CatalogProtocol, runs: tuple[str, ...], split: str, trials: int) -> None:
    """Compare RUNS on the forecasts of the same date, stock and horizon that all of them have.

    Each run is compared with the first RUN by the mean of daily differences.
    """
    folders = [catalog["runs"].load().find(run) for run in runs]
    require_two_or_more_runs(folders)
    forecasts = {folder.name: read_split_forecasts(folder, split) for folder in folders}
    evaluation = use_run_units(catalog["params:evaluation"].load(), folders[0])
    compared = compare_runs(forecasts, read_all_returns(folders), evaluation, trials)
    console = make_console()
    console.print(render_table(tabulate_comparison(compared, split, trials)))
    for table in tabulate_compared_positions(read_scores(folders, are_required=True)[0]) if split == "test" else ():
        console.print(render_table(table))
    for horizon in list_horizons_not_compared(forecasts):
        console.print(f"The horizon {horizon} d is not compared: not all runs forecast it.")
