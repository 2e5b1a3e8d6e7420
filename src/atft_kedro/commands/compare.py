"""``kedro atft compare``: compare runs on the forecasts that all of them have."""

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata

from ..evaluation.compare_runs import (
    compare_runs,
    list_horizons_not_compared,
    read_split_forecasts,
    require_several,
)
from ..evaluation.run_scores import read_all_returns
from ..reporting.comparison_tables import tabulate_comparison
from .console import make_console, render_table
from .metrics import SPLITS
from .project import open_catalog, project_options


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--split", type=SPLITS, default="test", show_default=True)
@click.option("--trials", default=0, help="Number of runs that these are the best of; by default only these.")
@project_options
def compare(
    metadata: ProjectMetadata, runs: tuple[str, ...], split: str, trials: int, env: str | None, params: dict[str, Any]
) -> None:
    """Compare RUNS on the forecasts that all of them have; each is paired by day with the first."""
    with open_catalog(metadata, env, params) as catalog:
        run_folders, evaluation = catalog["runs"].load(), catalog["params:evaluation"].load()
        folders = [run_folders.find(run) for run in runs]
        require_several(folders)
        forecasts = {folder.name: read_split_forecasts(folder, split) for folder in folders}
        compared = compare_runs(forecasts, read_all_returns(folders), evaluation, trials)
    console = make_console()
    console.print(render_table(tabulate_comparison(compared, split, trials)))
    for horizon in list_horizons_not_compared(forecasts):
        console.print(f"{horizon}d is not compared: some of these runs do not forecast it.")
