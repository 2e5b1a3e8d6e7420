"""The output of commands: fitted to the terminal, or complete lines if it is not a terminal."""

import logging
import sys
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table as RichTable

from ..logs import LineHandler
from ..reporting.table import Table

MAX_WIDTH = 100_000  # characters of a line if the output is not a terminal


def make_console(**options: Any) -> Console:
    """Create a command's console; it wraps and shortens lines on a terminal only."""
    console = Console(**options)
    return console if console.is_terminal else Console(**options, width=MAX_WIDTH)


def log_lines(logger: logging.Logger) -> None:
    """Log plain lines instead of rich's, with plain tracebacks, if the output is not a terminal.

    Kedro reads ``conf/logging.yml`` before the project, so that file cannot name a handler of the project.
    """
    for handler in list(logger.handlers):
        if isinstance(handler, RichHandler) and not (handler.console.is_terminal or handler.console.is_jupyter):
            logger.removeHandler(handler)
            logger.addHandler(LineHandler())
            sys.excepthook = sys.__excepthook__


def render_table(table: Table) -> RichTable:
    """Render a table for the terminal; columns of numbers are aligned to the right."""
    rendered = RichTable(
        title=table.title, caption=table.note or None, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), caption_justify="left"
    )
    for index, name in enumerate(table.header):
        is_numeric = index > 0 and not any(row[index][:1].isalpha() for row in table.rows)
        rendered.add_column(name, justify="right" if is_numeric else "left")
    for row in table.rows:
        rendered.add_row(*row)
    return rendered
