"""``kedro atft status``: show the state of a run."""

from pathlib import Path

import click
from kedro.io import CatalogProtocol
from rich.table import Table

from ..diagnosis.diagnosis import diagnose
from ..params import InputError
from ..training.run_status import RunStatus, read_status
from .command_helpers import pass_catalog, run_argument
from .console import make_console

STATE_STYLES = {"training": "green", "done": "blue", "stopped": "yellow", "dead": "red"}


@click.command()
@run_argument
@pass_catalog
def status(catalog: CatalogProtocol, run: str) -> None:
    """Show the progress of a RUN (default: the latest), and whether its process is alive."""
    folder = catalog["runs"].load().find(run)
    make_console().print(render_status(read_status(folder), describe_health(folder)))


def describe_health(folder: Path) -> str:
    """Return the headline of a run's diagnosis, or why the run cannot be diagnosed."""
    try:
        diagnosis = diagnose(folder)
    except InputError as error:
        return f"unknown: {error}"
    has_problems = diagnosis.severity in {"warn", "error"}
    return f"{diagnosis.headline}\n(details: kedro atft diagnose)" if has_problems else diagnosis.headline


def render_status(run_status: RunStatus, health: str) -> Table:
    """Render the state of a run as a table."""
    table = Table(show_header=False, title=f"run {run_status.run}")
    for name, value in run_status.rows().items():
        table.add_row(name, value, style=STATE_STYLES.get(run_status.state) if name == "state" else None)
    table.add_row("health", health)
    return table
