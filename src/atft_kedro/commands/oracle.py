"""``kedro atft oracle``: compare a run with the oracle of the simulated market."""

import click
from kedro.io import CatalogProtocol

from ..panel.split import SplitName
from ..reporting.score_columns import ORACLE_COLUMNS
from ..reporting.table import Table, format_cells, list_headers
from .command_helpers import load_dataset, pass_catalog, run_argument, split_option
from .console import make_console, render_table


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
    columns = ("ic", "ic_se", "oracle_ic", "share", "agreement")
    rows = [[f"{share.horizon}d", *format_cells(ORACLE_COLUMNS, columns, share)] for share in shares]
    make_console().print(render_table(Table(title, ("horizon", *list_headers(ORACLE_COLUMNS, columns)), rows)))
