"""``kedro atft monitor``: show the newest checks of the live forecasts, and acknowledge an alarm."""

import click
from kedro.io import CatalogProtocol

from ..live.monitor import MonitorReport
from ..live.monitor_page import tabulate_checks, tabulate_live_scores
from ..params import InputError
from .command_helpers import pass_catalog
from .console import make_console, render_table


@click.group()
def monitor() -> None:
    """Show the checks of the live forecasts, and acknowledge an alarm."""


@monitor.command()
@pass_catalog
def show(catalog: CatalogProtocol) -> None:
    """Show the report of the newest `kedro run --pipelines monitor`."""
    report: MonitorReport = catalog["monitor_report"].load()
    console = make_console()
    console.print(f"{report.made_on}: {report.status}", style="bold")
    for table in (tabulate_checks(report), tabulate_live_scores(report)):
        console.print(render_table(table))


@monitor.command()
@click.option("--reason", default="", help="Why the alarm is accepted; stored with the acknowledgement.")
@pass_catalog
def ack(catalog: CatalogProtocol, reason: str) -> None:
    """Acknowledge the alarm of the newest report: the test restarts after its last day."""
    report: MonitorReport = catalog["monitor_report"].load()
    if report.status != "alarm":
        raise InputError(f"There is no alarm to acknowledge: the status of {report.made_on} is {report.status}.")
    entries = catalog["acknowledgements"].load()
    catalog["acknowledgements"].save(entries.add(report, reason))
    click.echo(f"The test restarts after {report.scored_until}.")
