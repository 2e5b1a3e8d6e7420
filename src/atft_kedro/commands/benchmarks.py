"""The page of a benchmark: what a run is worth, what its parts add, and what a walk says."""

from pathlib import Path
from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from kedro.io import CatalogProtocol

from ..benchmark_report.page import write_benchmarks
from ..benchmark_report.run_evidence import Evidence
from ..benchmark_report.walk_section import Walk
from ..evaluation.compare_runs import compare_runs, read_split_forecasts, require_several
from ..evaluation.entries import collect_returns, returns_by_lag
from ..evaluation.run_scores import read_all_returns
from ..files import atomic_write
from ..schema import DATE, map_columns
from ..training.runs import LATEST
from ..walk_forward.score import WalkScore, concat_daily, score_by_entry
from .project import open_catalog, project_options

PAGE = "docs/benchmarks.md"


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--output", type=click.Path(path_type=Path), help=f"Where the page goes; by default {PAGE}.")
@click.option("--walk/--no-walk", default=True, show_default=True, help="With the newest walk, where there is one.")
@project_options
def benchmarks(
    metadata: ProjectMetadata,
    runs: tuple[str, ...],
    output: Path | None,
    walk: bool,
    env: str | None,
    params: dict[str, Any],
) -> None:
    """Write the page of a benchmark: what the first of RUNS is worth (default: the latest), the others beside it."""
    with open_catalog(metadata, env, params) as catalog:
        kept, how = catalog["runs"].load(), catalog["params:evaluation"].load()
        folders = [kept.find(run) for run in runs or [LATEST]]
        if len(folders) > 1:
            require_several(folders)
        evidence = [Evidence.read(folder) for folder in folders]
        said = {folder.name: read_split_forecasts(folder, "test") for folder in folders}
        compared = compare_runs(said, read_all_returns(folders), how) if len(folders) > 1 else []
        walked = _read_walk(catalog) if walk and catalog["walk_score"].exists() else None
        command = f"kedro atft benchmarks {' '.join(folder.name for folder in folders)}"
        page = write_benchmarks(evidence, compared, walked, f"{command} --env {env}" if env else command)
    path = output or Path(metadata.project_path) / PAGE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            partial.write_text(page)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from error
    click.echo(path)


def _read_walk(catalog: CatalogProtocol) -> Walk:
    dataset = map_columns(catalog["ml_dataset"].load(), catalog["params:columns"].load())
    record, how = catalog["walk_forecasts"].load().collect(), catalog["params:evaluation"].load()
    score: WalkScore = catalog["walk_score"].load()
    returns = returns_by_lag(collect_returns(dataset, record[DATE], score.entry_lag), score.entry_lag)
    return Walk(score, concat_daily(score_by_entry(record, returns, how)), catalog["fold_folders"].load().folder)
