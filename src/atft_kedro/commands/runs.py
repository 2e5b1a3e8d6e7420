"""``kedro atft status, monitor`` and ``stop``: show the state of a run, watch it and stop it."""

import time
from pathlib import Path
from typing import Any

import click
from kedro.io import CatalogProtocol
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..diagnosis.diagnosis import diagnose
from ..params import InputError
from ..training.run_status import RunStatus, kill_training, read_history, read_log, read_status, request_stop
from ..training.runs import LATEST
from .console import make_console
from .project import pass_catalog

STATE_STYLES = {"training": "green", "done": "blue", "stopped": "yellow", "dead": "red"}
ENDINGS = {"done": "done after step", "stopped": "stopped after step", "dead": "killed after step"}
SHOWN_LOG_LINES = 8
SHOWN_EPOCHS = 12
HEALTH_TRIGGERS = ("state", "seed", "phase", "epoch")  # the health is read again when one of them changes

run_argument = click.argument("run", default=LATEST)


@click.command()
@run_argument
@pass_catalog
def status(catalog: CatalogProtocol, run: str) -> None:
    """Show the progress of a RUN (default: the latest), and whether its process is alive."""
    folder = catalog["runs"].load().find(run)
    make_console().print(render_status(read_status(folder), read_health(folder)))


@click.command()
@run_argument
@click.option("--every", default=1.0, show_default=True, help="Seconds between updates.")
@pass_catalog
def monitor(catalog: CatalogProtocol, run: str, every: float) -> None:
    """Show the progress of a RUN (default: the latest) until it ends.

    Ctrl-C ends only the display.
    """
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
            if any(getattr(run_status, name) != getattr(before, name) for name in HEALTH_TRIGGERS):
                health = read_health(folder)


@click.command()
@run_argument
@click.option("--now", is_flag=True, help="Kill the process at once; the steps after its last checkpoint are lost.")
@click.option("--wait", default=120.0, show_default=True, help="Seconds to wait for the end of the current step.")
@pass_catalog
def stop(catalog: CatalogProtocol, run: str, now: bool, wait: float) -> None:
    """Stop a RUN (default: the latest) after its current step.

    It writes a checkpoint from which it can be resumed.
    """
    folder = catalog["runs"].load().find(run)
    run_status = kill_training(folder) if now else request_stop(folder, wait)
    console = make_console()
    console.print(f"{run_status.run}: {ENDINGS[run_status.state]} {run_status.steps}.")
    if run_status.state != "done":
        console.print(f"  kedro run --pipelines fit --params training.resume={run_status.run}  # resumes it")


def read_health(folder: Path) -> str:
    """Return the headline of a run's diagnosis, or why it is unknown."""
    try:
        return diagnose(folder).headline
    except InputError as error:
        return f"unknown: {error}"


def render_status(run_status: RunStatus, health: str) -> Table:
    """Render the state of a run as a table."""
    table = Table(show_header=False, title=f"run {run_status.run}")
    for name, value in run_status.rows().items():
        style = STATE_STYLES.get(value.split(" ")[0], "") if name == "state" else ""
        table.add_row(name, f"[{style}]{value}[/]" if style else value)
    has_problems = "errors:" in health or "warnings:" in health
    table.add_row("health", f"{health}\n(kedro atft diagnose)" if has_problems else health)
    return table


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
