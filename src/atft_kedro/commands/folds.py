"""What the newest walk gave, fold by fold."""

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from rich.table import Table

from ..walk_forward.page import HEAD, tell_folds
from ..walk_forward.score import WalkScore
from .console import make_console
from .project import open_catalog, project_options


@click.command()
@project_options
def folds(metadata: ProjectMetadata, env: str | None, params: dict[str, Any]) -> None:
    """Show the folds of the newest walk: what each is worth, and which failed."""
    with open_catalog(metadata, env, params) as catalog:
        score = catalog["walk_score"].load()
    make_console().print(draw_folds(score))


def draw_folds(score: WalkScore) -> Table:
    """Draw a row for each horizon and fold, and for each fold that failed."""
    table = Table("horizon", *HEAD)
    for horizon in score.pooled:
        for row in tell_folds(score, horizon):
            table.add_row(f"{horizon}d", *row)
        table.add_section()
    for each in score.folds:
        if each.fold.reason is not None:
            table.add_row("", each.fold.name, f"[red]failed[/]: {each.fold.reason}")
    return table
