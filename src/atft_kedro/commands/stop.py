"""``kedro atft stop``: stop a run."""

from typing import Any

import click
from kedro.framework.startup import ProjectMetadata

from ..training.run_status import kill_training, request_stop
from ..training.runs import LATEST
from .console import make_console
from .project import open_catalog, project_options

ENDINGS = {"done": "done after step", "stopped": "stopped after step", "dead": "killed after step"}


@click.command()
@click.argument("run", default=LATEST)
@click.option("--now", is_flag=True, help="Kill its process; the steps after its last checkpoint are lost.")
@click.option("--wait", default=120.0, show_default=True, help="Seconds to wait for the end of its step.")
@project_options
def stop(metadata: ProjectMetadata, run: str, now: bool, wait: float, env: str | None, params: Any) -> None:
    """Stop a RUN after its current step, with a checkpoint from which it can be resumed."""
    with open_catalog(metadata, env, params) as catalog:
        folder = catalog["runs"].load().find(run)
        run_status = kill_training(folder) if now else request_stop(folder, wait)
    console = make_console()
    console.print(f"{run_status.run}: {ENDINGS[run_status.state]} {run_status.steps}.")
    if run_status.state != "done":
        console.print(f"  kedro run --pipelines fit --params training.resume={run_status.run}  # resumes it")
