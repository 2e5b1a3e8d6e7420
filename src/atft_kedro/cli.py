"""The project's commands: ``kedro run`` with the cache, and ``kedro atft …``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import KedroCliError, env_option
from kedro.framework.cli.utils import _split_params as split_params
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import ProjectMetadata
from kedro.io import CatalogProtocol
from rich.console import Console
from rich.table import Table

from .params import InputError

CACHED = "atft_kedro.stages.runner.StageSequentialRunner"


@click.group(name="atft_kedro")
def cli() -> None:
    """Forecast daily returns."""


def _run(no_cache: bool, runner: str | None, **options: Any) -> Any:
    """Run the pipeline; stages that are fresh are not run again."""
    if runner is None:
        runner, options["runner_params"] = CACHED, {**options["runner_params"], "use_cache": not no_cache}
    with _mistakes_told_plainly():
        return kedro_run.callback(runner=runner, **options)


@contextmanager
def _mistakes_told_plainly() -> Iterator[None]:
    """Answer a user's mistake with its message alone; everything else keeps its trace."""
    try:
        yield
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


def _of_project(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose an environment and its parameters."""
    params = click.option("--params", type=click.UNPROCESSED, default="", callback=split_params, help="As kedro run's.")
    return click.pass_obj(env_option(params(command)))


@contextmanager
def _catalog(metadata: ProjectMetadata, env: str | None, params: dict[str, Any]) -> Iterator[CatalogProtocol]:
    """Open the project's catalog."""
    session = KedroSession.create(project_path=metadata.project_path, env=env, runtime_params=params)
    with session, _mistakes_told_plainly():
        yield session.load_context().catalog


@atft.command()
@click.option("--pipeline", "-p", default="__default__", show_default=True, help="Whose stages to show.")
@_of_project
def stages(metadata: ProjectMetadata, pipeline: str, env: str | None, params: dict[str, Any]) -> None:
    """Show which stages are fresh, which are stale, and why."""
    from .stages.ledger import plan_stages

    if pipeline not in pipelines:
        raise click.UsageError(f"There is no pipeline {pipeline!r}; there are {', '.join(sorted(pipelines))}.")
    with _catalog(metadata, env, params) as catalog:
        planned = plan_stages(pipelines[pipeline], catalog)
    table = Table("stage", "state", "why")
    for stage in planned:
        state = "[yellow]stale[/]" if stage.why else "[green]fresh[/]"
        table.add_row(stage.node.name, state, "; ".join(stage.why))
    Console().print(table)


@atft.group()
def bench() -> None:
    """Measure this machine on this project's work."""


@bench.command()
@click.option("--lookback", default=60, show_default=True, help="Steps of history that a forecast sees.")
@click.option("--days", default=32, show_default=True, help="Days of a block.")
@click.option("--blocks", default=12, show_default=True, help="Random blocks to read.")
@_of_project
def data(metadata: ProjectMetadata, lookback: int, days: int, blocks: int, env: str | None, params: Any) -> None:
    """Measure how fast the panel opens and its blocks are read, next to a plain copy."""
    from .graph.placing import place_graphs
    from .operations.bench_data import time_once, time_reading

    with _catalog(metadata, env, params) as catalog:
        opened = time_once("open the panel", catalog["panel"].load)
        panel, edges = catalog["panel"].load(), catalog["graphs"].load()
        placed = time_once("bring the graphs to places in the panel", lambda: place_graphs(edges, panel))
        measures = [opened, placed, *time_reading(panel, place_graphs(edges, panel), lookback, days, blocks)]
    rows, features = panel.features.shape
    table = Table("what", "ms", "GB/s", title=f"A panel of {rows - 1:,} observations x {features} features")
    for measure in measures:
        speed = "" if measure.gb_per_second is None else f"{measure.gb_per_second:.2f}"
        table.add_row(measure.what, f"{1000 * measure.seconds:.1f}", speed)
    Console().print(table)
