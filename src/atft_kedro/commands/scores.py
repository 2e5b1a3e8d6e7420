"""What trained runs are worth: score one anew, or put many into one table."""

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from rich.console import Console
from rich.table import Table

from ..evaluation.score import RunScore
from ..operations.scoring import read_score, rescore
from ..operations.summary import HEAD, tell
from ..schema import adopt_ml_dataset
from ..training.runs import LATEST
from .project import of_project, open_catalog

RUNS = click.argument("runs", nargs=-1)


@click.command()
@RUNS
@of_project
def evaluate(metadata: ProjectMetadata, runs: tuple[str, ...], env: str | None, params: dict[str, Any]) -> None:
    """Score the forecasts of RUNS anew (default: the latest run) by the returns that are known now."""
    with open_catalog(metadata, env, params) as catalog:
        dataset = adopt_ml_dataset(catalog["ml_dataset"].load(), catalog["params:columns"].load())
        how, kept = catalog["params:evaluation"].load(), catalog["runs"].load()
        scores = [rescore(kept.find(run), dataset, how) for run in runs or [LATEST]]
    Console().print(draw_scores(scores))


@click.command()
@RUNS
@click.option("--part", default="test", show_default=True, help="validation or test.")
@of_project
def metrics(
    metadata: ProjectMetadata, runs: tuple[str, ...], part: str, env: str | None, params: dict[str, Any]
) -> None:
    """Show in one table what RUNS were scored (default: all that were)."""
    with open_catalog(metadata, env, params) as catalog:
        kept = catalog["runs"].load()
        folders = [kept.find(run) for run in runs or kept.names()]
        scores = [score for folder in folders if (score := read_score(folder, is_asked=bool(runs))) is not None]
    Console().print(draw_scores(scores, part))


def draw_scores(scores: list[RunScore], part: str | None = None) -> Table:
    """Draw a row for each run, part and horizon."""
    table = Table("run", "part", *HEAD)
    for score in scores:
        for name, horizons in score.split.items():
            if part in {None, name}:
                for horizon, told in horizons.items():
                    table.add_row(score.run, name, *tell(horizon, told))
    return table
