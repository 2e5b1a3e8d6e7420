"""``kedro atft memory``: estimate the memory of a training, or compare it with a run."""

import sys
from collections.abc import Iterator

import click
from kedro.io import CatalogProtocol
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..advice import advise_run
from ..cgroup import MemorySize
from ..features.build import FEATURE_SETS
from ..params import InputError
from ..profiling.memory.estimate import Machine, MemoryNeed, TrainingPlan, compare_with_run, measure_machine
from ..profiling.memory.sizes import PanelSizes, make_metadata
from ..training.data import choose_days_per_block, count_stocks_per_day
from ..training.run_status import format_load, read_status
from .command_helpers import pass_catalog
from .console import make_console

SIZE = click.IntRange(min=1)
EXTRA = 90_000_000  # bytes that `kedro run` uses in addition to this command: runner, tables, tracking, checkpoints


@click.command()
@click.argument("run", required=False)
@click.option("--features", type=SIZE, help="Number of features of a panel that does not exist yet.")
@click.option("--stocks", type=SIZE, help="Number of stocks of that panel, all on every day.")
@click.option("--days", type=SIZE, help="Number of days of that panel.")
@pass_catalog
def memory(catalog: CatalogProtocol, run: str | None, **sizes: int | None) -> None:
    """Estimate the memory of a training, and compare it with the free memory.

    For a RUN, compare the estimate with the memory that it has used. The exit code is 1 if the training does not fit.
    """
    if run is not None:
        show_run(catalog, run)
    elif not show_plan(catalog, {name: size for name, size in sizes.items() if size is not None}):
        sys.exit(1)


def show_plan(catalog: CatalogProtocol, sizes: dict[str, int]) -> bool:
    """Print the estimate for the configured training; return whether it fits."""
    network, training = catalog["params:network"].load(), catalog["params:training"].load()
    machine = measure_machine(training.device, EXTRA)
    has_panel = catalog["panel"].exists()
    if stocks := sizes.get("stocks") or (has_panel and count_stocks_per_day(catalog["panel"].load())):
        training = choose_days_per_block(training, stocks)
    plan = TrainingPlan(find_sizes(catalog, sizes, training.days_per_block), network, training)
    need = plan.estimate(machine)
    console = make_console()
    console.print(render_need(plan, need, machine.has_gpu))
    for line in format_verdict(plan, need, machine):
        console.print(line, soft_wrap=True)
    return need.fits(machine)


def find_sizes(catalog: CatalogProtocol, sizes: dict[str, int], days_per_block: int) -> PanelSizes:
    """Measure the project's panel; estimate one if it is missing or the command names sizes."""
    graph, split = catalog["params:graph"].load(), catalog["params:split"].load()
    features = catalog["params:features"].load()
    known = {"features": len(features.features())}
    if catalog["panel"].exists():
        panel = catalog["panel"].load()
        own_features = {feature.name for group in FEATURE_SETS.values() for feature in group}
        if not own_features.issuperset(panel.metadata.features):  # the user's own features
            known["features"] = len(panel.metadata.features)
        if not sizes and known["features"] == len(panel.metadata.features):
            return PanelSizes.measure(panel, catalog["split"].load(), graph, days_per_block)
        known |= {"days": panel.row_of.shape[0], "stocks": panel.row_of.shape[1]}
    missing = [f"--{name}" for name in ("stocks", "days") if name not in known | sizes]
    if missing:
        raise InputError(
            f"The project has no panel yet: give its size with {' and '.join(missing)}, or create it with "
            f"`{advise_run('--pipelines data,guard,prepare')}`."
        )
    return PanelSizes.estimate(make_metadata(**(known | sizes), horizons=features.horizons), split, graph)


def render_need(plan: TrainingPlan, need: MemoryNeed, has_gpu: bool) -> Table:
    """Render a row for each part of the memory and a row for the sum."""
    sizes, training = plan.sizes, plan.training
    title = (
        f"{sizes.rows:,} observations x {len(sizes.metadata.features)} features, hidden {plan.network.hidden_size}, "
        f"lookback {plan.network.lookback}\nblocks of {training.days_per_block} days x {sizes.block_stocks} stocks, "
        f"{training.precision}"
    )
    table = Table("used for", title=title, box=SIMPLE_HEAD)
    for name in ("memory, GB", "GPU, GB")[: 1 + has_gpu]:
        table.add_column(name, justify="right")
    for part in need.parts:
        table.add_row(part.name, *(f"{size / 1e9:.3f}" for size in (part.memory, part.gpu)[: 1 + has_gpu]))
    table.add_section()
    table.add_row("all", *(f"{size / 1e9:.3f}" for size in (need.memory, need.gpu)[: 1 + has_gpu]))
    return table


def format_verdict(plan: TrainingPlan, need: MemoryNeed, machine: Machine) -> Iterator[str]:
    """Compare need and free memory; if it does not fit, name a smaller training that fits."""
    yield format_free("memory", need.memory, machine.memory)
    if machine.gpu is not None:
        yield format_free("GPU memory", need.gpu, machine.gpu)
    elif machine.has_gpu:
        yield "The GPU figures count tensors only; driver and allocator need some more."
    if plan.training.compile:
        yield "Estimated without compilation; compiled code needs less."
    if need.fits(machine):
        return
    if (found := plan.find_smaller(machine, need)) is None:
        yield "Shorter blocks and a narrower network are not enough: use a smaller panel or a larger machine."
    else:
        smaller, smaller_need = found
        size = max(smaller_need.memory, smaller_need.gpu) / 1e9
        yield f"With --params {plan.format_changes(smaller)} it needs {size:.2f} GB, and fits."


def format_free(name: str, need: int, memory: MemorySize) -> str:
    """Compare need and free memory in one sentence."""
    verdict = "it fits" if need <= memory.free else "[bold red]it does not fit[/]"
    free = f"{memory.free / 1e9:.1f} of {memory.total / 1e9:.1f} GB are free"
    return f"The training needs {need / 1e9:.2f} GB of {name}; {free}: {verdict}."


def show_run(catalog: CatalogProtocol, run: str) -> None:
    """Print the memory of a run, and compare it with the estimate."""
    folder = catalog["runs"].load().find(run)
    measured = read_status(folder).load
    graph, split = catalog["params:graph"].load(), catalog["split"].load()
    plan = TrainingPlan.from_run(folder, catalog["panel"].load(), split, graph)
    console = make_console()
    table = Table(show_header=False, title=f"run {folder.name}")
    for name, value in format_load(measured).items():
        table.add_row(name, value)
    if plan is None:
        table.add_row("estimate", "unknown: the run was trained on another panel")
    else:
        machine = measure_machine("cuda" if "peak_gpu_memory_gb" in measured else "cpu", EXTRA)
        need = plan.estimate(machine)
        console.print(render_need(plan, need, machine.has_gpu))
        table.add_row("estimate", compare_with_run(folder, need))
    console.print(table)
