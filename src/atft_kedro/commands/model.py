"""``kedro atft model``: the size of the network."""

import click
from kedro.io import CatalogProtocol
from rich.table import Table

from .command_helpers import load_dataset, pass_catalog
from .console import make_console


@click.command()
@pass_catalog
def model(catalog: CatalogProtocol) -> None:
    """Show the network's weights by module, and its arithmetic operations per forecast."""
    from ..profiling.network_size import measure_network
    from ..training.data import choose_days_per_block, count_stocks_per_day

    data = load_dataset(catalog, "training_data")
    training = choose_days_per_block(catalog["params:training"].load(), count_stocks_per_day(data.panel))
    sizes = measure_network(data.panel, data.graphs, catalog["params:network"].load(), training)
    weights, flops = (sum(getattr(module, name) for module in sizes.modules) for name in ("weights", "flops"))
    table = Table("module", "weights", "share", "MFLOP per forecast", title=sizes.title)
    for module in sizes.modules:
        share = f"{module.weights / weights:.1%}"
        table.add_row(module.name, f"{module.weights:,}", share, f"{module.flops / 1e6:.3f}")
    table.add_section()
    table.add_row("all", f"{weights:,}", "", f"{flops / 1e6:.3f}")
    make_console().print(table)
