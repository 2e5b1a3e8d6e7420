"""The project's commands: ``kedro run`` with the cache, and ``kedro atft …``."""

from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import pipelines
from kedro.framework.startup import ProjectMetadata
from rich.table import Table

from .commands.bench import bench
from .commands.benchmarks import benchmarks
from .commands.compare import compare
from .commands.console import make_console
from .commands.diagnose import diagnose_run
from .commands.doctor import doctor
from .commands.evaluate import evaluate
from .commands.folds import folds
from .commands.hpo import hpo
from .commands.memory import memory
from .commands.metrics import metrics
from .commands.mlflow import mlflow
from .commands.model import model
from .commands.monitor import monitor
from .commands.oracle import oracle
from .commands.profile import profile
from .commands.project import open_catalog, plain_errors, project_options
from .commands.status import status
from .commands.stop import stop
from .commands.torchrun import NOTHING_LEFT, follow

CACHED = "atft_kedro.stages.runner.StageSequentialRunner"


@click.group(name="atft_kedro")
def cli() -> None:
    """Forecast daily returns."""


def _run(no_cache: bool, runner: str | None, **options: Any) -> Any:
    """Run the pipeline; stages that are fresh are not run again."""
    from .training.distributed import is_torchrun, join_process_group

    if is_torchrun() and not join_process_group().is_first:
        with plain_errors():
            return follow(options)
    if runner is None:
        runner, options["runner_params"] = CACHED, {**options["runner_params"], "use_cache": not no_cache}
    with plain_errors():
        done = kedro_run.callback(runner=runner, **options)
    join_process_group().broadcast(NOTHING_LEFT)
    return done


run = click.Command(
    "run",
    params=[
        *kedro_run.params,
        click.Option(["--no-cache"], is_flag=True, help="Run every stage, fresh or not."),
    ],
    callback=_run,
    help="Run the pipeline. Stages whose inputs, parameters and code are unchanged are not run again.",
)
cli.add_command(run)


@cli.group()
def atft() -> None:
    """Look after data, runs and models."""


@atft.command()
@click.option("--pipeline", "-p", default="__default__", show_default=True, help="Whose stages to show.")
@project_options
def stages(metadata: ProjectMetadata, pipeline: str, env: str | None, params: dict[str, Any]) -> None:
    """Show which stages are fresh, which are stale, and why."""
    from .stages.ledger import plan_stages

    if pipeline not in pipelines:
        raise click.UsageError(f"There is no pipeline {pipeline!r}; there are {', '.join(sorted(pipelines))}.")
    with open_catalog(metadata, env, params) as catalog:
        planned = plan_stages(pipelines[pipeline], catalog)
    table = Table("stage", "state", "why")
    for stage in planned:
        state = "[yellow]stale[/]" if stage.why else "[green]fresh[/]"
        table.add_row(stage.node.name, state, "; ".join(stage.why))
    make_console().print(table)


for command in (
    *(bench, doctor, status, monitor, stop, diagnose_run, model, oracle, memory, profile),
    *(evaluate, metrics, compare, benchmarks, folds, hpo, mlflow),
):
    atft.add_command(command)
