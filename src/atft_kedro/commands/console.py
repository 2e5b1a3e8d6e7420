"""What is printed: fitted to a terminal; elsewhere whole tables, and a line for each log record."""

import logging
import sys
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from ..logs import LineHandler

UNLIMITED = 100_000  # characters of a line, where no terminal limits them


def make_console(**options: Any) -> Console:
    """Create the console of a command; without a terminal no line is wrapped and no cell is cut short."""
    console = Console(**options)
    return console if console.is_terminal else Console(**options, width=UNLIMITED)


def log_lines(logger: logging.Logger) -> None:
    """Replace rich's handlers of a logger, and rich's tracebacks, where they do not write to a terminal.

    Kedro reads ``conf/logging.yml`` before the project, and accepts no handler of the project there.
    """
    for handler in list(logger.handlers):
        if isinstance(handler, RichHandler) and not (handler.console.is_terminal or handler.console.is_jupyter):
            logger.removeHandler(handler)
            logger.addHandler(LineHandler())
            sys.excepthook = sys.__excepthook__
