"""``kedro atft watch``: show the progress of a run until it no longer trains."""

import time
from typing import Any

import click
from kedro.io import CatalogProtocol
from rich.console import Group
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from ..reporting.score_columns import EPOCH_COLUMNS
from ..reporting.table import Table, format_cells, list_headers
from ..training.run_status import read_history, read_log, read_status
from .command_helpers import pass_catalog, run_argument
from .console import make_console, render_table
from .status import describe_health, render_status

SHOWN_LOG_LINES = 8
SHOWN_EPOCHS = 12
DIAGNOSIS_FIELDS = ("state", "seed", "phase", "epoch")  # the diagnosis is repeated when one of them changes


@click.command()
@run_argument
@click.option("--every", "interval", default=1.0, show_default=True, help="Seconds between updates.")
@pass_catalog
def watch(catalog: CatalogProtocol, run: str, interval: float) -> None:
    """Show the progress of a RUN (default: the latest) until it no longer trains.

    Ctrl-C ends only the display, not the training.
    """
    folder = catalog["runs"].load().find(run)
    run_status, health = read_status(folder), describe_health(folder)
    with Live(console=make_console(), auto_refresh=False) as live:
        while True:
            log = Text("\n".join(read_log(folder, SHOWN_LOG_LINES)), style="dim")
            epochs = render_epochs(read_history(folder, SHOWN_EPOCHS), run_status.metric)
            live.update(Group(render_status(run_status, health), epochs, log), refresh=True)
            if run_status.state != "training":
                break
            time.sleep(interval)
            before, run_status = run_status, read_status(folder)
            if any(getattr(run_status, name) != getattr(before, name) for name in DIAGNOSIS_FIELDS):
                health = describe_health(folder)


def render_epochs(epochs: list[dict[str, Any]], metric: str) -> RichTable:
    """Render a row per epoch; ``metric`` names the score that chooses the best weights."""
    rows = [format_cells(EPOCH_COLUMNS, EPOCH_COLUMNS, epoch) for epoch in epochs]
    caption = f"score: validation {metric}; scale: standard deviation of the forecasts divided by that of the labels"
    return render_table(Table("", list_headers(EPOCH_COLUMNS, EPOCH_COLUMNS), rows, caption))
