"""``kedro atft benchmarks``: write the benchmark page from runs and the newest walk."""

from pathlib import Path

import click
from kedro.io import CatalogProtocol

from ..benchmark_report.page import WalkEvidence, build_benchmark_page
from ..benchmark_report.run_evidence import RunEvidence
from ..evaluation.compare_runs import compare_runs, read_split_forecasts, require_two_or_more_runs
from ..evaluation.entries import collect_returns, returns_by_lag
from ..evaluation.run_scores import read_all_returns, use_run_units
from ..files import atomic_write
from ..schema import DATE
from ..training.runs import LATEST
from ..walk_forward.score import WalkScore, concat_daily, score_by_entry
from .command_helpers import load_dataset, pass_catalog

PAGE = "docs/benchmarks.md"


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--output", type=click.Path(path_type=Path), help=f"Path of the page.  [default: {PAGE}]")
@click.option("--walk/--no-walk", default=True, show_default=True, help="Include the newest walk if it exists.")
@pass_catalog
def benchmarks(catalog: CatalogProtocol, runs: tuple[str, ...], output: Path | None, walk: bool) -> None:
    """Write the benchmark page of the first of RUNS (default: the latest).

    The other runs are compared with it.
    """
    run_folders = catalog["runs"].load()
    folders = [run_folders.find(run) for run in runs or [LATEST]]
    evidence = [RunEvidence.read(folder) for folder in folders]
    comparisons = []
    if len(folders) > 1:
        require_two_or_more_runs(folders)
        forecasts = {folder.name: read_split_forecasts(folder, "test") for folder in folders}
        evaluation = use_run_units(catalog["params:evaluation"].load(), folders[0])
        comparisons = compare_runs(forecasts, read_all_returns(folders), evaluation)
    walk_evidence = _read_walk(catalog) if walk and catalog["walk_score"].exists() else None
    context = click.get_current_context()
    env = f" --env {context.params['env']}" if context.params["env"] else ""
    command = f"kedro atft benchmarks {' '.join(folder.name for folder in folders)}{env}"
    page = build_benchmark_page(evidence, comparisons, walk_evidence, command)
    path = output or Path(context.obj.project_path) / PAGE
    try:
        with atomic_write(path) as partial:
            partial.write_text(page)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from error
    click.echo(path)


def _read_walk(catalog: CatalogProtocol) -> WalkEvidence:
    """Read the score of the newest walk, and compute its daily statistics."""
    forecasts, params = catalog["walk_forecasts"].load().collect(), catalog["params:evaluation"].load()
    evaluation = params.with_units(catalog["params:training"].load().labels.transform)
    score: WalkScore = catalog["walk_score"].load()
    returns = collect_returns(load_dataset(catalog, "mapped_dataset"), forecasts[DATE], score.entry_lag)
    daily = concat_daily(score_by_entry(forecasts, returns_by_lag(returns, score.entry_lag), evaluation))
    return WalkEvidence(score, daily, catalog["fold_folders"].load().folder)
