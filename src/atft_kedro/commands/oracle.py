"""``kedro atft oracle``: compare a run with the oracle of the simulated market."""

import math

import click
from kedro.io import CatalogProtocol
from rich.table import Table

from ..panel.split import SplitName
from ..reporting.format import format_number
from .command_helpers import load_dataset, pass_catalog, run_argument, split_option
from .console import make_console


@click.command()
@run_argument
@split_option("validation", "test")
@pass_catalog
def oracle(catalog: CatalogProtocol, run: str, split: SplitName) -> None:
    """Show which share of the oracle's IC the RUN (default: the latest) reaches.

    The oracle knows the expected returns of the simulated market.
    """
    from ..evaluation.oracle import measure_oracle_share
    from ..training.forecasting import load_members
    from ..training.hardware import choose_device

    training_data = load_dataset(catalog, "training_data").to(choose_device(catalog["params:training.device"].load()))
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
