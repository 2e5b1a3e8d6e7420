"""Look after trainings: where they stand, how they end, how large their network is."""

import math
import time
from pathlib import Path
from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..diagnosis.diagnosis import diagnose
from ..panel.split import SplitName
from ..params import InputError
from ..reporting.format import format_number
from ..training.run_status import RunStatus, kill_training, read_history, read_log, read_status, request_stop
from ..training.runs import LATEST
from .console import make_console
from .project import open_catalog, project_options

STYLES = {"training": "green", "done": "blue", "stopped": "yellow", "dead": "red"}
ENDS = {"done": "done after step", "stopped": "has stopped after step", "dead": "has been killed after step"}
NEWEST = 8  # lines of the log
RUN = click.argument("run", default=LATEST)


@click.command()
@RUN
@project_options
def status(metadata: ProjectMetadata, run: str, env: str | None, params: Any) -> None:
    """Show where a RUN stands (default: the latest), and whether it is alive."""
    with open_catalog(metadata, env, params) as catalog:
        folder = catalog["runs"].load().find(run)
        make_console().print(draw_status(read_status(folder), read_health(folder)))


@click.command()
@RUN
@click.option("--every", default=1.0, show_default=True, help="Seconds between looks.")
@project_options
def monitor(metadata: ProjectMetadata, run: str, every: float, env: str | None, params: Any) -> None:
    """Watch a RUN live until it ends, with the newest lines of its log; Ctrl-C ends the display only."""
    with open_catalog(metadata, env, params) as catalog:
        folder = catalog["runs"].load().find(run)
        told, health = read_status(folder), read_health(folder)
        with Live(console=make_console(), auto_refresh=False) as live:
            while True:
                log = Text("\n".join(read_log(folder, NEWEST)), style="dim")
                live.update(Group(draw_status(told, health), draw_history(read_history(folder, 12)), log), refresh=True)
                if told.state != "training":
                    break
                time.sleep(every)
                before, told = told, read_status(folder)
                if _place(told) != _place(before):
                    health = read_health(folder)


@click.command()
@RUN
@click.option("--now", is_flag=True, help="Kill it; what came after its last checkpoint is lost.")
@click.option("--wait", default=120.0, show_default=True, help="Seconds to wait for the end of its step.")
@project_options
def stop(metadata: ProjectMetadata, run: str, now: bool, wait: float, env: str | None, params: Any) -> None:
    """Stop a RUN after its step, with a checkpoint that it goes on from."""
    with open_catalog(metadata, env, params) as catalog:
        folder = catalog["runs"].load().find(run)
        told = kill_training(folder) if now else request_stop(folder, wait)
    make_console().print(f"{told.run}: {ENDS[told.state]} {told.steps}.")
    if told.state != "done":
        make_console().print(f"  kedro run --pipelines fit --params training.resume={told.run}  # goes on with it")


@click.command()
@project_options
def model(metadata: ProjectMetadata, env: str | None, params: Any) -> None:
    """Show the network's weights by module, and its arithmetic for each forecast."""
    from ..graph.to_panel import graphs_to_panel
    from ..profiling.network_size import measure_network
    from ..training.data import choose_days_per_block, count_stocks_per_day

    with open_catalog(metadata, env, params) as catalog:
        panel = catalog["panel"].load()
        network = catalog["params:network"].load()
        training = choose_days_per_block(catalog["params:training"].load(), count_stocks_per_day(panel))
        sizes = measure_network(panel, graphs_to_panel(catalog["graphs"].load(), panel), network, training)
    table = Table("module", "weights", "share", "MFLOP for a forecast", title=sizes.title)
    for module in sizes.modules:
        table.add_row(
            module.name, f"{module.weights:,}", f"{module.weights / sizes.weights:.1%}", f"{module.flops / 1e6:.3f}"
        )
    table.add_section()
    table.add_row("all", f"{sizes.weights:,}", "", f"{sizes.flops / 1e6:.3f}")
    make_console().print(table)


@click.command()
@RUN
@click.option("--part", type=click.Choice(["validation", "test"]), default="test", show_default=True)
@project_options
def oracle(metadata: ProjectMetadata, run: str, part: SplitName, env: str | None, params: Any) -> None:
    """Show how much of what can be known of the simulated market a RUN knows."""
    from ..evaluation.oracle import measure_oracle_share
    from ..graph.to_panel import graphs_to_panel
    from ..training.data import TrainingData
    from ..training.ensemble import load_members
    from ..training.hardware import choose_device

    with open_catalog(metadata, env, params) as catalog:
        panel, split = catalog["panel"].load(), catalog["split"].load()
        device = choose_device(catalog["params:training.device"].load())
        training_data = TrainingData(panel, graphs_to_panel(catalog["graphs"].load(), panel), split).to(device)
        folder = catalog["runs"].load().find(run)
        members = load_members(folder, training_data)
        shares = measure_oracle_share(members, training_data, catalog["oracle"].load().collect(), part)
    title = f"{folder.name}: {len(members)} network(s), {shares[0].ic.days} {part} days"
    table = Table("horizon", "IC", "± se", "oracle's IC", "share", "agreement with the oracle", title=title)
    for share in shares:
        table.add_row(
            f"{share.horizon}d",
            format_number(share.ic.mean),
            format_number(share.ic.se),
            f"{share.oracle:.4f}",
            f"{(share.ic.mean or math.nan) / share.oracle:.1%}",
            f"{share.agreement:.3f}",
        )
    make_console().print(table)


def read_health(folder: Path) -> str:
    """Summarise a run's diagnosis, or say why there is none."""
    try:
        return diagnose(folder).headline
    except InputError as error:
        return f"unknown: {error}"


def _place(told: RunStatus) -> tuple[str, int, str, int]:
    """Say what a run has to change in for its health to be looked at anew."""
    return told.state, told.seed, told.phase, told.epoch


def draw_status(told: RunStatus, health: str) -> Table:
    """Draw one run."""
    table = Table(show_header=False, title=f"run {told.run}")
    for name, value in told.rows().items():
        style = STYLES.get(value.split(" ")[0], "") if name == "state" else ""
        table.add_row(name, f"[{style}]{value}[/]" if style else value)
    has_problems = "errors:" in health or "warnings:" in health
    table.add_row("health", f"{health}\n(kedro atft diagnose)" if has_problems else health)
    return table


def draw_history(epochs: list[dict[str, Any]]) -> Table:
    """Draw the last epochs."""
    table = Table("seed", "phase", "epoch", "train loss", "rank IC", "best score", "scale", "s")
    for epoch in epochs:
        scores = epoch["validation"]
        table.add_row(
            str(epoch["seed"]),
            epoch["phase"],
            str(epoch["epoch"]),
            f"{epoch['train_loss']:.4f}",
            f"{scores['rank_ic']:.4f}",
            f"{epoch['best']:.4f}",
            f"{scores['scale']:.3f}",
            f"{epoch['seconds']:.1f}",
        )
    return table
