"""Options, access to the catalog and error handling that several commands share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.cli.utils import KedroCliError, env_option
from kedro.framework.cli.utils import _split_params as split_params
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import ProjectMetadata
from kedro.io import CatalogProtocol

from ..params import InputError
from ..stages.in_memory import find_in_memory_nodes, load_or_compute
from ..training.runs import LATEST

run_argument = click.argument("run", default=LATEST)


def split_option(*splits: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Create the option ``--split`` with these choices; they include the default, test."""
    return click.option("--split", type=click.Choice(splits), default="test", show_default=True)


def project_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options ``--env`` and ``--params``; the command first gets the project's metadata."""
    help_text = "Parameters to override, as in kedro run --params name=value."
    params = click.option("--params", type=click.UNPROCESSED, default="", callback=split_params, help=help_text)
    return click.pass_obj(env_option(params(command)))


def pass_catalog(command: Callable[..., None]) -> Callable[..., None]:
    """Run the command in a Kedro session; its first argument is the catalog.

    The options ``--env`` and ``--params`` choose the session's configuration. Errors in the user's input are shown as
    one message.
    """

    @wraps(command)
    def _run_command(metadata: ProjectMetadata, env: str | None, params: dict[str, Any], **options: Any) -> None:
        session = KedroSession.create(project_path=metadata.project_path, env=env, runtime_params=params)
        with session, show_input_errors_briefly():
            command(session.load_context().catalog, **options)

    return project_options(_run_command)


def load_dataset(catalog: CatalogProtocol, name: str) -> Any:
    """Load a catalog entry; one that exists only in memory is computed from its inputs."""
    return load_or_compute(name, catalog, find_in_memory_nodes(pipelines["__default__"], catalog))


@contextmanager
def show_input_errors_briefly() -> Iterator[None]:
    """Show an error in the user's input as one message; all others keep their traceback.

    With Kedro's option ``--verbose`` errors in the user's input keep it too.
    """
    try:
        yield
    except Exception as error:
        input_error = _find_input_error(error)
        if input_error is None or KedroCliError.VERBOSE_ERROR:
            raise
        message = click.ClickException(str(input_error))
        vars(message)["exit_code"] = getattr(input_error, "exit_code", message.exit_code)
        raise message from error


def _find_input_error(error: BaseException | None) -> BaseException | None:
    """Return the error or its first cause that reports wrong input; None if none does.

    Wrong input includes an unknown pipeline and a missing environment.
    """
    while error is not None and not isinstance(error, InputError | MissingConfigException):
        if isinstance(error, ValueError) and str(error).startswith("Failed to find the pipeline"):
            return error
        error = error.__cause__ or error.__context__
    return error
