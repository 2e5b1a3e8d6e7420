"""Measure this machine on this project's work."""

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from rich.table import Table

from .console import make_console
from .project import open_catalog, project_options


@click.group()
def bench() -> None:
    """Measure this machine on this project's work."""


@bench.command()
@click.option("--lookback", default=60, show_default=True, help="Steps of history that a forecast sees.")
@click.option("--days", default=32, show_default=True, help="Days of a block.")
@click.option("--blocks", default=12, show_default=True, help="Random blocks to read.")
@project_options
def data(metadata: ProjectMetadata, lookback: int, days: int, blocks: int, env: str | None, params: Any) -> None:
    """Measure how fast the panel opens and its blocks are read, next to a plain copy."""
    from ..graph.to_panel import graphs_to_panel
    from ..profiling.bench_data import time_once, time_reading

    with open_catalog(metadata, env, params) as catalog:
        opened = time_once("open the panel", catalog["panel"].load)
        panel, edges = catalog["panel"].load(), catalog["graphs"].load()
        placed = time_once("bring the graphs to places in the panel", lambda: graphs_to_panel(edges, panel))
        measures = [opened, placed, *time_reading(panel, graphs_to_panel(edges, panel), lookback, days, blocks)]
    rows, features = panel.features.shape
    table = Table("what", "ms", "GB/s", title=f"A panel of {rows - 1:,} observations x {features} features")
    for measure in measures:
        speed = "" if measure.gb_per_second is None else f"{measure.gb_per_second:.2f}"
        table.add_row(measure.what, f"{1000 * measure.seconds:.1f}", speed)
    make_console().print(table)


@bench.command()
@click.option("--stocks", default=4000, show_default=True)
@click.option("--days", default=2500, show_default=True)
def score(stocks: int, days: int) -> None:
    """Measure how fast random forecasts over all horizons are scored."""
    from ..profiling.bench_score import time_scoring

    measured = time_scoring(stocks, days)
    table = Table("forecasts", "s", "forecasts/s", "peak memory, GB", title=f"{stocks:,} stocks x {days:,} days")
    rate = measured.forecasts / measured.seconds
    table.add_row(f"{measured.forecasts:,}", f"{measured.seconds:.1f}", f"{rate:,.0f}", f"{measured.peak_gb:.2f}")
    make_console().print(table)


@bench.command()
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option("--compile", "compiled", is_flag=True, help="Compile the network.")
@click.option("--seconds", default=6.0, show_default=True, help="To spend on each measurement.")
def train(precision: str, compiled: bool, seconds: float) -> None:
    """Measure whole training steps at several sizes, next to a plain matrix product, and window by window."""
    from ..profiling.bench_train import print_bench

    print_bench(precision, compiled, seconds)
