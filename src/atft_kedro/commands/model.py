"""``kedro atft model``: show the size of the network."""

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from rich.table import Table

from .console import make_console
from .project import open_catalog, project_options


@click.command()
@project_options
def model(metadata: ProjectMetadata, env: str | None, params: Any) -> None:
    """Show the network's weights by module, and its arithmetic operations per forecast."""
    from ..graph.to_panel import graphs_to_panel
    from ..profiling.network_size import measure_network
    from ..training.data import choose_days_per_block, count_stocks_per_day

    with open_catalog(metadata, env, params) as catalog:
        panel = catalog["panel"].load()
        training = choose_days_per_block(catalog["params:training"].load(), count_stocks_per_day(panel))
        graphs = graphs_to_panel(catalog["graphs"].load(), panel)
        sizes = measure_network(panel, graphs, catalog["params:network"].load(), training)
    table = Table("module", "weights", "share", "MFLOP per forecast", title=sizes.title)
    for module in sizes.modules:
        share = f"{module.weights / sizes.weights:.1%}"
        table.add_row(module.name, f"{module.weights:,}", share, f"{module.flops / 1e6:.3f}")
    table.add_section()
    table.add_row("all", f"{sizes.weights:,}", "", f"{sizes.flops / 1e6:.3f}")
    make_console().print(table)
