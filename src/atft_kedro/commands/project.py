"""What every command needs: the project's catalog, and a plain answer to a user's mistake."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.cli.utils import KedroCliError, env_option
from kedro.framework.cli.utils import _split_params as split_params
from kedro.framework.session import KedroSession
from kedro.framework.startup import ProjectMetadata
from kedro.io import CatalogProtocol

from ..params import InputError


def project_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose an environment and its parameters."""
    params = click.option("--params", type=click.UNPROCESSED, default="", callback=split_params, help="As kedro run's.")
    return click.pass_obj(env_option(params(command)))


@contextmanager
def open_catalog(metadata: ProjectMetadata, env: str | None, params: dict[str, Any]) -> Iterator[CatalogProtocol]:
    """Open the project's catalog."""
    session = KedroSession.create(project_path=metadata.project_path, env=env, runtime_params=params)
    with session, plain_errors():
        yield session.load_context().catalog


@contextmanager
def plain_errors() -> Iterator[None]:
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
