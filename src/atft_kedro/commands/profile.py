"""Where the time of a training step goes."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click
from kedro.framework.startup import ProjectMetadata

from ..params import InputError
from .console import make_console, render_table
from .project import open_catalog, project_options


@click.command()
@click.option("--steps", type=click.IntRange(min=1), default=5, show_default=True, help="To take; each three times.")
@click.option("--phase", help="Of the training; by default the one with most epochs.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="A new folder for what is found.")
@project_options
def profile(
    metadata: ProjectMetadata, steps: int, phase: str | None, out: Path | None, env: str | None, params: dict[str, Any]
) -> None:
    """Watch some training steps: a table of operations, a trace, a flame graph.

    The network and the training are the project's; no run is begun and nothing is kept of what is learned.
    """
    from ..graph.to_panel import graphs_to_panel
    from ..profiling.trace.page import PAGE, TABLES, TRACE, write_profile
    from ..profiling.trace.steps import Rehearsal, choose_phase
    from ..training.data import TrainingData

    with open_catalog(metadata, env, params) as catalog:
        folder = out or catalog["profiles"].load().folder / f"{datetime.now():%Y%m%d-%H%M%S}"
        if folder.exists():
            raise InputError(f"{folder} exists; a profile is written into a new folder.")
        training, network = catalog["params:training"].load(), catalog["params:network"].load()
        chosen = choose_phase(training, phase)
        panel = catalog["panel"].load()
        training_data = TrainingData(panel, graphs_to_panel(catalog["graphs"].load(), panel), catalog["split"].load())
        told = write_profile(Rehearsal.begin(training_data, network, training, chosen), steps, folder)
    console = make_console()
    console.print(render_table(told.parts), render_table(told.operations), *told.notes, sep="\n")
    for name, what in ((PAGE, "the flame graph"), (TRACE, "for ui.perfetto.dev"), (TABLES, "these tables")):
        console.print(f"{folder / name}  # {what}", soft_wrap=True)
