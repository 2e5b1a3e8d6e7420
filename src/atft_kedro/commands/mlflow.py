"""The MLflow server of this project, in the background."""

from pathlib import Path

import click
from kedro.config import MissingConfigException
from kedro.framework.project import settings
from kedro.framework.startup import ProjectMetadata

from .console import make_console
from .project import mistakes_told_plainly

CREDENTIAL = "mlflow_store"
STORE = f"A database URL; by default `{CREDENTIAL}` in conf/local/credentials.yml, else sqlite:///mlflow.db."


@click.group()
def mlflow() -> None:
    """Have the tracked runs in a browser: the MLflow server, in the background."""


@mlflow.command()
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--store", envvar="MLFLOW_BACKEND_STORE_URI", show_envvar=True, help=STORE)
@click.pass_obj
def up(metadata: ProjectMetadata, port: int, store: str | None) -> None:
    """Start it on 127.0.0.1, and wait until it answers."""
    from ..services.mlflow_server import log_of, start_server

    project = metadata.project_path
    with mistakes_told_plainly():
        server = start_server(project, port, store or _stored(project))
    make_console(soft_wrap=True).print(f"MLflow is up at {server.url} (store {server.store}, log {log_of(project)}).")


@mlflow.command()
@click.pass_obj
def down(metadata: ProjectMetadata) -> None:
    """End it, with all its processes."""
    from ..services.mlflow_server import end_server

    server = end_server(metadata.project_path)
    make_console().print("MLflow is not up." if server is None else f"MLflow is down, it was at {server.url}.")


def _stored(project: Path) -> str:
    """Read which store the project's own credentials name."""
    loader = settings.CONFIG_LOADER_CLASS(str(project / settings.CONF_SOURCE), **settings.CONFIG_LOADER_ARGS)
    try:
        store = loader["credentials"].get(CREDENTIAL)
    except MissingConfigException:
        store = None
    return store or "sqlite:///mlflow.db"
