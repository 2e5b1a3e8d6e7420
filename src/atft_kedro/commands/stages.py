"""``kedro atft stages``: show what the cache would run again."""

from typing import Any

import click
from kedro.framework.project import pipelines
from kedro.framework.startup import ProjectMetadata
from rich.table import Table

from .console import make_console
from .project import open_catalog, project_options


@click.command()
@click.option("--pipeline", "-p", default="__default__", show_default=True, help="The pipeline with the stages.")
@project_options
def stages(metadata: ProjectMetadata, pipeline: str, env: str | None, params: dict[str, Any]) -> None:
    """Show which stages are fresh, which are stale, and why."""
    from ..stages.ledger import plan_stages

    if pipeline not in pipelines:
        raise click.UsageError(f"Unknown pipeline {pipeline!r}; the pipelines are {', '.join(sorted(pipelines))}.")
    with open_catalog(metadata, env, params) as catalog:
        planned = plan_stages(pipelines[pipeline], catalog)
    table = Table("stage", "state", "why")
    for stage in planned:
        state = "[yellow]stale[/]" if stage.why else "[green]fresh[/]"
        table.add_row(stage.node.name, state, "; ".join(stage.why))
    make_console().print(table)
