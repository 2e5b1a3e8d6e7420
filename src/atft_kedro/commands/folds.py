"""``kedro atft folds``: show the scores of the newest walk's folds."""

import click
from kedro.io import CatalogProtocol
from rich.table import Table

from ..walk_forward.report import HEADER, format_folds
from ..walk_forward.score import WalkScore
from .command_helpers import pass_catalog
from .console import make_console


@click.command()
@pass_catalog
def folds(catalog: CatalogProtocol) -> None:
    """Show the scores of each fold of the newest walk, and which folds failed."""
    make_console().print(render_folds(catalog["walk_score"].load()))


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
