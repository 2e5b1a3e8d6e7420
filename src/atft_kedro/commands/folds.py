"""Show the scores of the newest walk by fold."""

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from rich.table import Table

from ..walk_forward.report import HEADER, format_folds
from ..walk_forward.score import WalkScore
from .console import make_console
from .project import open_catalog, project_options


@click.command()
@project_options
def folds(metadata: ProjectMetadata, env: str | None, params: dict[str, Any]) -> None:
    """Show the scores of each fold of the newest walk, and which folds failed."""
    with open_catalog(metadata, env, params) as catalog:
        score = catalog["walk_score"].load()
    make_console().print(render_folds(score))


def render_folds(score: WalkScore) -> Table:
    """Render a row for each horizon, fold and entry, and for each failed fold."""
    table = Table("horizon", *HEADER)
    for horizon in score.pooled:
        for row in format_folds(score, horizon):
            table.add_row(f"{horizon}d", *row)
        table.add_section()
    for fold in (fold_score.fold for fold_score in score.folds):
        if fold.reason is not None:
            table.add_row("", fold.name, f"[red]failed[/]: {fold.reason}")
    return table
