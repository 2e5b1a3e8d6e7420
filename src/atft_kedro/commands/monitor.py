"""``kedro atft monitor``: watch a run."""

import time
from typing import Any

import click
from kedro.io import CatalogProtocol
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..training.run_status import read_history, read_log, read_status
from .command_helpers import pass_catalog, run_argument
from .console import make_console
from .status import describe_health, render_status

SHOWN_LOG_LINES = 8
SHOWN_EPOCHS = 12
HEALTH_TRIGGERS = ("state", "seed", "phase", "epoch")  # the run is diagnosed again when one of them changes


@click.command()
@run_argument
@click.option("--every", default=1.0, show_default=True, help="Seconds between updates.")
@pass_catalog
def monitor(catalog: CatalogProtocol, run: str, every: float) -> None:
    """Show the progress of a RUN (default: the latest) until it ends.

    Ctrl-C ends only the display.
    """
    folder = catalog["runs"].load().find(run)
    run_status, health = read_status(folder), describe_health(folder)
    with Live(console=make_console(), auto_refresh=False) as live:
        while True:
            log = Text("\n".join(read_log(folder, SHOWN_LOG_LINES)), style="dim")
            epochs = render_epochs(read_history(folder, SHOWN_EPOCHS))
            live.update(Group(render_status(run_status, health), epochs, log), refresh=True)
            if run_status.state != "training":
                break
            time.sleep(every)
            before, run_status = run_status, read_status(folder)
            if any(getattr(run_status, name) != getattr(before, name) for name in HEALTH_TRIGGERS):
                health = describe_health(folder)


def render_epochs(epochs: list[dict[str, Any]]) -> Table:
    """Render a table with one row per epoch."""
    table = Table("seed", "phase", "epoch", "train loss", "rank IC", "best score", "scale", "seconds")
    for epoch in epochs:
        scores = epoch["validation"]
        numbers = (epoch["train_loss"], scores["rank_ic"], epoch["best"])
        table.add_row(
            *(str(epoch["seed"]), epoch["phase"], str(epoch["epoch"])),
            *(f"{number:.4f}" for number in numbers),
            *(f"{scores['scale']:.3f}", f"{epoch['seconds']:.1f}"),
        )
    return table
