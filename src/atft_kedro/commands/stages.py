"""``kedro atft stages``: show which stages of a pipeline are fresh."""

import click
from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol
from rich.table import Table

from .command_helpers import pass_catalog
from .console import make_console


@click.command()
@click.option("--pipeline", "-p", default="__default__", show_default=True, help="The pipeline with the stages.")
@pass_catalog
def stages(catalog: CatalogProtocol, pipeline: str) -> None:
    """Show which stages are fresh, which are stale, and why."""
    from ..stages.ledger import plan_stages

    if pipeline not in pipelines:
        raise click.UsageError(f"Unknown pipeline {pipeline!r}; the pipelines are {', '.join(sorted(pipelines))}.")
    table = Table("stage", "state", "why")
    for stage in plan_stages(pipelines[pipeline], catalog):
        state = "[yellow]stale[/]" if stage.reasons else "[green]fresh[/]"
        table.add_row(stage.node.name, state, "; ".join(stage.reasons))
    make_console().print(table)
