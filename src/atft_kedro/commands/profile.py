"""``kedro atft profile``: the time of a training step."""

from datetime import datetime
from pathlib import Path

import click
from kedro.io import CatalogProtocol

from ..params import InputError
from .command_helpers import load_dataset, pass_catalog
from .console import make_console, render_table


@click.command()
@click.option(
    "--steps", type=click.IntRange(min=1), default=5, show_default=True, help="Steps in each of three measurements."
)
@click.option("--phase", help="Phase of the training.  [default: the phase with the most epochs]")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="A new folder for the results.")
@pass_catalog
def profile(catalog: CatalogProtocol, steps: int, phase: str | None, out: Path | None) -> None:
    """Measure how long each section and operation of a training step takes.

    Prints two tables, and writes them with a trace and a flame graph. The steps are measured without the profiler,
    with it, and with every code line. Uses the project's network and training parameters; does not create a run.
    """
    from ..profiling.trace.page import PAGE, TABLES, TRACE, write_profile
    from ..profiling.trace.steps import ProfiledTraining, choose_phase

    folder = out or catalog["profiles"].load().folder / f"{datetime.now():%Y%m%d-%H%M%S}"
    if folder.exists():
        raise InputError(f"{folder} already exists: name another folder with --out.")
    training_params, network_params = catalog["params:training"].load(), catalog["params:network"].load()
    chosen = choose_phase(training_params, phase)
    training = ProfiledTraining.start(load_dataset(catalog, "training_data"), network_params, training_params, chosen)
    report = write_profile(training, steps, folder)
    console = make_console()
    console.print(render_table(report.sections), render_table(report.operations), *report.notes, sep="\n")
    for name, content in ((PAGE, "flame graph"), (TRACE, "trace, open it at ui.perfetto.dev"), (TABLES, "tables")):
        console.print(f"{folder / name}  # {content}", soft_wrap=True)
