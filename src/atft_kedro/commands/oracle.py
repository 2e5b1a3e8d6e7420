"""``kedro atft oracle``: compare a run with the oracle of the simulated market."""

import math
from typing import Any

import click
from kedro.framework.startup import ProjectMetadata
from rich.table import Table

from ..panel.split import SplitName
from ..reporting.format import format_number
from ..training.runs import LATEST
from .console import make_console
from .project import open_catalog, project_options


@click.command()
@click.argument("run", default=LATEST)
@click.option("--split", type=click.Choice(["validation", "test"]), default="test", show_default=True)
@project_options
def oracle(metadata: ProjectMetadata, run: str, split: SplitName, env: str | None, params: Any) -> None:
    """Show the share of the oracle's IC that a RUN reaches on a simulated market."""
    from ..evaluation.oracle import measure_oracle_share
    from ..graph.to_panel import graphs_to_panel
    from ..training.data import TrainingData
    from ..training.forecasting import load_members
    from ..training.hardware import choose_device

    with open_catalog(metadata, env, params) as catalog:
        panel = catalog["panel"].load()
        graphs = graphs_to_panel(catalog["graphs"].load(), panel)
        device = choose_device(catalog["params:training.device"].load())
        training_data = TrainingData(panel, graphs, catalog["split"].load()).to(device)
        folder = catalog["runs"].load().find(run)
        members = load_members(folder, training_data)
        shares = measure_oracle_share(members, training_data, catalog["oracle"].load().collect(), split)
    title = f"{folder.name}: {len(members)} network(s), {shares[0].ic.days} {split} days"
    table = Table("horizon", "IC", "± se", "oracle's IC", "share", "agreement with the oracle", title=title)
    for share in shares:
        table.add_row(
            *(f"{share.horizon}d", format_number(share.ic.mean), format_number(share.ic.se)),
            *(f"{share.oracle:.4f}", f"{(share.ic.mean or math.nan) / share.oracle:.1%}", f"{share.agreement:.3f}"),
        )
    make_console().print(table)
