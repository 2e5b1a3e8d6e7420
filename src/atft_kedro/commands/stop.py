"""``kedro atft stop``: stop a run."""

import click
from kedro.io import CatalogProtocol

from ..advice import advise_run
from ..training.run_status import kill_training, request_stop
from .command_helpers import pass_catalog, run_argument
from .console import make_console

ENDINGS = {"done": "done after step", "stopped": "stopped after step", "dead": "killed after step"}


@click.command()
@run_argument
@click.option("--now", is_flag=True, help="Kill the process at once; the steps after its last checkpoint are lost.")
@click.option("--wait", default=120.0, show_default=True, help="Seconds to wait for the end of the current step.")
@pass_catalog
def stop(catalog: CatalogProtocol, run: str, now: bool, wait: float) -> None:
    """Stop a RUN (default: the latest) after its current step.

    It writes a checkpoint from which it can be resumed.
    """
    folder = catalog["runs"].load().find(run)
    run_status = kill_training(folder) if now else request_stop(folder, wait)
    console = make_console()
    console.print(f"{run_status.run}: {ENDINGS[run_status.state]} {run_status.steps}.")
    if run_status.state != "done":
        resume = advise_run("--pipelines fit", {"training.resume": run_status.run})
        console.print(f"  {resume}  # resumes it", markup=False, soft_wrap=True)
