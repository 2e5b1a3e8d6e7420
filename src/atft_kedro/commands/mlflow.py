"""``kedro atft mlflow``: the project's MLflow server in the background."""

from pathlib import Path

import click
from kedro.config import MissingConfigException
from kedro.framework.project import settings
from kedro.framework.startup import ProjectMetadata

from .command_helpers import show_input_errors_briefly
from .console import make_console

STORE_CREDENTIAL_KEY = "mlflow_store"  # key in conf/local/credentials.yml
DEFAULT_STORE = "sqlite:///mlflow.db"
STORE_HELP = (
    "URL of the database for runs and models.  [default: the environment variable, else "
    f"`{STORE_CREDENTIAL_KEY}` in conf/local/credentials.yml, else {DEFAULT_STORE}]"
)


@click.group(name="mlflow")
def mlflow_group() -> None:
    """Start and stop the MLflow server, which shows the tracked runs in a browser."""


@mlflow_group.command()
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--store", envvar="MLFLOW_BACKEND_STORE_URI", show_envvar=True, help=STORE_HELP)
@click.pass_obj
def up(metadata: ProjectMetadata, port: int, store: str | None) -> None:
    """Start the server on 127.0.0.1 and wait until it answers requests."""
    from ..services.mlflow_server import log_path, start_server

    project = metadata.project_path
    with show_input_errors_briefly():
        server = start_server(project, port, store or _read_default_store(project))
    message = f"MLflow is running at {server.url} (store {server.store}, log {log_path(project)})."
    make_console(soft_wrap=True).print(message)


@mlflow_group.command()
@click.pass_obj
def down(metadata: ProjectMetadata) -> None:
    """Stop the server and its child processes."""
    from ..services.mlflow_server import stop_server

    with show_input_errors_briefly():
        server = stop_server(metadata.project_path)
    make_console().print("MLflow is not running." if server is None else f"MLflow at {server.url} is stopped.")


def _read_default_store(project: Path) -> str:
    """Read the database URL from the project's credentials; the default is a SQLite file."""
    loader = settings.CONFIG_LOADER_CLASS(str(project / settings.CONF_SOURCE), **settings.CONFIG_LOADER_ARGS)
    try:
        store = loader["credentials"].get(STORE_CREDENTIAL_KEY)
    except MissingConfigException:
        store = None
    return store or DEFAULT_STORE
