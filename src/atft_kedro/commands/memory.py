"""What memory a training will take before it is run, and what a run takes beside that."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from kedro.io import CatalogProtocol
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..features.build import FEATURE_SETS
from ..params import InputError
from ..profiling.memory.available_memory import Machine, Room, measure_machine
from ..profiling.memory.estimate import Need, Plan
from ..profiling.memory.measured import Taken, plan_again
from ..profiling.memory.sizes import Sizes, name_panel
from ..training.data import choose_days_per_block, count_stocks_per_day
from ..training.run_status import format_load, read_status
from .console import make_console
from .project import open_catalog, project_options

SIZE = click.IntRange(min=1)
BESIDE = 90_000_000  # bytes that `kedro run` takes and this command does not: the runner, tables, tracking, checkpoints


@click.command()
@click.argument("run", required=False)
@click.option("--features", type=SIZE, help="Of a panel that there is not yet.")
@click.option("--stocks", type=SIZE, help="That it has on every day.")
@click.option("--days", type=SIZE, help="That it holds.")
@project_options
def memory(
    metadata: ProjectMetadata, run: str | None, env: str | None, params: dict[str, Any], **sizes: int | None
) -> None:
    """Show what memory a training will take, part by part, and whether there is as much.

    Of a RUN, show what it takes or has taken, beside what it was to take. Exits with 1 where there is not enough.
    """
    with open_catalog(metadata, env, params) as catalog:
        if run is not None:
            show_run(catalog, run)
        elif not show_plan(catalog, {name: size for name, size in sizes.items() if size is not None}):
            sys.exit(1)


def show_plan(catalog: CatalogProtocol, wanted: dict[str, int]) -> bool:
    """Print what the configuration will take; say whether there is as much."""
    network, training = catalog["params:network"].load(), catalog["params:training"].load()
    machine = measure_machine(training.device, BESIDE)
    has_panel = catalog["panel"].exists()
    if stocks := wanted.get("stocks") or (has_panel and count_stocks_per_day(catalog["panel"].load())):
        training = choose_days_per_block(training, stocks)
    plan = Plan(find_sizes(catalog, wanted, training.days_per_block), network, training)
    need = plan.predict(machine)
    console = make_console()
    console.print(draw_need(plan, need, machine.has_gpu))
    for line in tell_verdict(plan, need, machine):
        console.print(line, soft_wrap=True)
    return need.fits(machine)


def find_sizes(catalog: CatalogProtocol, wanted: dict[str, int], days_per_block: int) -> Sizes:
    """Measure the project's panel, or make one up: of the sizes that are wanted, else of the project's."""
    graph, split = catalog["params:graph"].load(), catalog["params:split"].load()
    features = catalog["params:features"].load()
    known = {"features": len(features.features())}
    if catalog["panel"].exists():
        panel = catalog["panel"].load()
        if not is_ours(panel.metadata.features):
            known["features"] = len(panel.metadata.features)
        if not wanted and known["features"] == len(panel.metadata.features):
            return Sizes.measure(panel, catalog["split"].load(), graph, days_per_block)
        known |= {"days": panel.row_of.shape[0], "stocks": panel.row_of.shape[1]}
    lacking = [f"--{name}" for name in ("stocks", "days") if name not in known | wanted]
    if lacking:
        raise InputError(
            f"There is no panel yet: say how large it will be with {' and '.join(lacking)}, or make it with "
            "`kedro run --pipelines data,guard,prepare`."
        )
    return Sizes.make_up(name_panel(**(known | wanted), horizons=features.horizons), split, graph)


def is_ours(names: Iterable[str]) -> bool:
    """Say whether features are made by this project, so that its parameters say which there will be."""
    return {feature.name for each in FEATURE_SETS.values() for feature in each}.issuperset(names)


def draw_need(plan: Plan, need: Need, has_gpu: bool) -> Table:
    """Draw a row for each part."""
    sizes, training = plan.sizes, plan.training
    title = (
        f"{sizes.rows:,} observations x {len(sizes.metadata.features)} features, hidden {plan.network.hidden_size}, "
        f"lookback {plan.network.lookback}\nblocks of {training.days_per_block} days x {sizes.active} stocks, "
        f"{training.precision}"
    )
    table = Table("what", title=title, box=SIMPLE_HEAD)
    for name in ("memory, GB", "GPU, GB")[: 1 + has_gpu]:
        table.add_column(name, justify="right")
    for part in need.parts:
        table.add_row(part.what, *(f"{size / 1e9:.3f}" for size in (part.memory, part.gpu)[: 1 + has_gpu]))
    table.add_section()
    table.add_row("all", *(f"{size / 1e9:.3f}" for size in (need.memory, need.gpu)[: 1 + has_gpu]))
    return table


def tell_verdict(plan: Plan, need: Need, machine: Machine) -> Iterator[str]:
    """Say whether there is as much, and what else would do."""
    yield tell_room("memory", need.memory, machine.room)
    if machine.gpu is not None:
        yield tell_room("GPU's memory", need.gpu, machine.gpu)
    elif machine.has_gpu:
        yield "Of the GPU it is said what tensors take; its driver and its allocator take some more."
    if plan.training.compile:
        yield "Counted uncompiled; compiled code holds less."
    if need.fits(machine):
        return
    smaller = plan.find_smaller(machine, need)
    if smaller is None:
        yield "No shorter blocks and no narrower network help: it takes a smaller panel or a larger machine."
    else:
        other, less = smaller
        yield f"With --params {plan.name_changes(other)} it takes {max(less.memory, less.gpu) / 1e9:.2f} GB, and fits."


def tell_room(what: str, need: int, room: Room) -> str:
    """Say whether there is room."""
    is_enough = "it fits" if need <= room.free else "[bold red]it does not fit[/]"
    return f"{need / 1e9:.2f} GB of {what}, of {room.total / 1e9:.1f} GB {room.free / 1e9:.1f} are free: {is_enough}."


def show_run(catalog: CatalogProtocol, run: str) -> None:
    """Print what a run has taken beside what it was to take."""
    folder = catalog["runs"].load().find(run)
    taken = Taken.read(folder)
    plan = plan_again(folder, catalog["panel"].load(), catalog["split"].load(), catalog["params:graph"].load())
    console = make_console()
    table = Table(show_header=False, title=f"run {folder.name}")
    for name, value in format_load(read_status(folder).load).items():
        table.add_row(name, value)
    if plan is None:
        table.add_row("was to take", "not known: it was trained on another panel")
    else:
        machine = measure_machine("cpu" if taken.gpu is None else "cuda", BESIDE)
        need = plan.predict(machine)
        console.print(draw_need(plan, need, machine.has_gpu))
        table.add_row("was to take", taken.compare(need))
    console.print(table)
