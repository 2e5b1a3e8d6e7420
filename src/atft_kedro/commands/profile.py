"""``kedro atft profile``: measure where the time of a training step goes."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click
from kedro.framework.startup import ProjectMetadata

from ..params import InputError
from .console import make_console, render_table
from .project import open_catalog, project_options


@click.command()
@click.option("--steps", type=click.IntRange(min=1), default=5, show_default=True, help="Steps per measurement, of 3.")
@click.option("--phase", help="Phase of the training; by default the one with most epochs.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="A new folder for the results.")
@project_options
def profile(
    metadata: ProjectMetadata, steps: int, phase: str | None, out: Path | None, env: str | None, params: dict[str, Any]
) -> None:
    """Profile some training steps: a table of operations, a trace, a flame graph.

    Uses the project's network and training parameters; creates no run and keeps no weights.
    """
    from ..graph.to_panel import graphs_to_panel
    from ..profiling.trace.page import PAGE, TABLES, TRACE, write_profile
    from ..profiling.trace.steps import ProfiledTraining, choose_phase
    from ..training.data import TrainingData

    with open_catalog(metadata, env, params) as catalog:
        folder = out or catalog["profiles"].load().folder / f"{datetime.now():%Y%m%d-%H%M%S}"
        if folder.exists():
            raise InputError(f"{folder} exists; a profile is written into a new folder.")
        training, network = catalog["params:training"].load(), catalog["params:network"].load()
        chosen = choose_phase(training, phase)
        panel = catalog["panel"].load()
        training_data = TrainingData(panel, graphs_to_panel(catalog["graphs"].load(), panel), catalog["split"].load())
        report = write_profile(ProfiledTraining.start(training_data, network, training, chosen), steps, folder)
    console = make_console()
    console.print(render_table(report.sections), render_table(report.operations), *report.notes, sep="\n")
    for name, content in ((PAGE, "the flame graph"), (TRACE, "for ui.perfetto.dev"), (TABLES, "these tables")):
        console.print(f"{folder / name}  # {content}", soft_wrap=True)
