"""``kedro atft monitor``: watch a run until it ends."""

import time
from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..training.run_status import read_history, read_log, read_status
from ..training.runs import LATEST
from .console import make_console
from .project import open_catalog, project_options
from .status import read_health, render_status

SHOWN_LOG_LINES = 8
SHOWN_EPOCHS = 12
PROGRESS = ("state", "seed", "phase", "epoch")  # the health is read again when one of them changes


@click.command()
@click.argument("run", default=LATEST)
@click.option("--every", default=1.0, show_default=True, help="Seconds between updates.")
@project_options
def monitor(metadata: ProjectMetadata, run: str, every: float, env: str | None, params: Any) -> None:
    """Watch a RUN live until it ends; Ctrl-C ends only the display."""
    with open_catalog(metadata, env, params) as catalog:
        folder = catalog["runs"].load().find(run)
        run_status, health = read_status(folder), read_health(folder)
        with Live(console=make_console(), auto_refresh=False) as live:
            while True:
                log = Text("\n".join(read_log(folder, SHOWN_LOG_LINES)), style="dim")
                epochs = render_epochs(read_history(folder, SHOWN_EPOCHS))
                live.update(Group(render_status(run_status, health), epochs, log), refresh=True)
                if run_status.state != "training":
                    break
                time.sleep(every)
                before, run_status = run_status, read_status(folder)
                if any(getattr(run_status, name) != getattr(before, name) for name in PROGRESS):
                    health = read_health(folder)


def render_epochs(epochs: list[dict[str, Any]]) -> Table:
    """Render the last epochs as a table."""
    table = Table("seed", "phase", "epoch", "train loss", "rank IC", "best score", "scale", "s")
    for epoch in epochs:
        scores = epoch["validation"]
        numbers = (epoch["train_loss"], scores["rank_ic"], epoch["best"])
        table.add_row(
            *(str(epoch["seed"]), epoch["phase"], str(epoch["epoch"])),
            *(f"{number:.4f}" for number in numbers),
            *(f"{scores['scale']:.3f}", f"{epoch['seconds']:.1f}"),
        )
    return table
