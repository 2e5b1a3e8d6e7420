"""``kedro atft bench``: measure how fast this machine reads, trains and scores."""

import click
from kedro.io import CatalogProtocol
from rich.table import Table

from .command_helpers import pass_catalog
from .console import make_console


@click.group()
def bench() -> None:
    """Measure how fast this machine reads, trains and scores."""


@bench.command()
@click.option("--lookback", default=60, show_default=True, help="Observations that the network reads of each stock.")
@click.option("--days", default=32, show_default=True, help="Days of a block.")
@click.option("--blocks", default=12, show_default=True, help="Random blocks to read.")
@pass_catalog
def data(catalog: CatalogProtocol, lookback: int, days: int, blocks: int) -> None:
    """Measure how fast the panel opens and its blocks are read, compared with a plain copy."""
    from ..graph.panel_indices import index_graphs
    from ..profiling.bench_data import time_once, time_reading

    opening = time_once("open the panel", catalog["panel"].load)
    panel, edges = catalog["panel"].load(), catalog["graphs"].load()
    indexing = time_once("convert the graphs to panel indices", lambda: index_graphs(edges, panel))
    rows, features = panel.features.shape
    table = Table("operation", "ms", "GB/s", title=f"A panel of {rows - 1:,} observations x {features} features")
    for entry in [opening, indexing, *time_reading(panel, index_graphs(edges, panel), lookback, days, blocks)]:
        speed = "" if entry.gb_per_second is None else f"{entry.gb_per_second:.2f}"
        table.add_row(entry.operation, f"{1000 * entry.seconds:.1f}", speed)
    make_console().print(table)


@bench.command()
@click.option("--stocks", default=4000, show_default=True, help="Stocks of every day.")
@click.option("--days", default=2500, show_default=True, help="Days with forecasts.")
def score(stocks: int, days: int) -> None:
    """Measure how fast random forecasts over all horizons are scored."""
    from ..profiling.bench_score import time_scoring

    measured = time_scoring(stocks, days)
    table = Table("forecasts", "seconds", "forecasts/s", "peak memory, GB", title=f"{stocks:,} stocks x {days:,} days")
    rate = measured.forecasts / measured.seconds
    table.add_row(f"{measured.forecasts:,}", f"{measured.seconds:.1f}", f"{rate:,.0f}", f"{measured.peak_gb:.2f}")
    make_console().print(table)


@bench.command()
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option("--compile", "compiled", is_flag=True, help="Compile the network.")
@click.option("--seconds", default=6.0, show_default=True, help="Duration of each measurement.")
def train(precision: str, compiled: bool, seconds: float) -> None:
    """Measure training steps at several sizes, compared with a plain matrix product."""
    from ..profiling.bench_train import print_bench

    print_bench(precision, compiled, seconds)
