"""What is printed: fitted to a terminal; elsewhere whole tables, and a line for each log record."""

import logging
import sys
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table as RichTable

from ..logs import LineHandler
from ..reporting.table import Table

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
