"""The project's commands: ``kedro run`` with the cache, and ``kedro atft …``."""

from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import KedroCliError, env_option
from kedro.framework.cli.utils import _split_params as split_params
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import ProjectMetadata
from rich.console import Console
from rich.table import Table

from .params import InputError

CACHED = "atft_kedro.stages.runner.StageSequentialRunner"


@click.group(name="atft_kedro")
def cli() -> None:
    """Forecast daily returns."""


def _run(no_cache: bool, runner: str | None, **options: Any) -> Any:
    """Run the pipeline; stages that are fresh are not run again."""
    try:
        if runner is None:
            runner, options["runner_params"] = CACHED, {**options["runner_params"], "use_cache": not no_cache}
        return kedro_run.callback(runner=runner, **options)
    except Exception as error:
        at_fault = _input_error(error)
        if at_fault is None or KedroCliError.VERBOSE_ERROR:
            raise
        raise click.ClickException(str(at_fault)) from error


def _input_error(error: BaseException | None) -> BaseException | None:
    """Find the user's mistake among an error and what caused it: wrong data, an unknown pipeline or environment."""
    while error is not None and not isinstance(error, InputError | MissingConfigException):
        if isinstance(error, ValueError) and str(error).startswith("Failed to find the pipeline"):
            return error
        error = error.__cause__ or error.__context__
    return error


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
@env_option
@click.option("--params", type=click.UNPROCESSED, default="", callback=split_params, help="As for kedro run.")
@click.pass_obj
def stages(metadata: ProjectMetadata, pipeline: str, env: str | None, params: dict[str, Any]) -> None:
    """Show which stages are fresh, which are stale, and why."""
    from .stages.ledger import plan_stages

    if pipeline not in pipelines:
        raise click.UsageError(f"There is no pipeline {pipeline!r}; there are {', '.join(sorted(pipelines))}.")
    with KedroSession.create(project_path=metadata.project_path, env=env, runtime_params=params) as session:
        try:
            catalog = session.load_context().catalog
            planned = plan_stages(pipelines[pipeline], catalog)
        except InputError as error:
            raise click.ClickException(str(error)) from error
    table = Table("stage", "state", "why")
    for stage in planned:
        state = "[yellow]stale[/]" if stage.why else "[green]fresh[/]"
        table.add_row(stage.node.name, state, "; ".join(stage.why))
    Console().print(table)
