"""Log records as lines with their time and level, on standard output and in files."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORMAT, TIME = "%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"
FORMATTER = logging.Formatter(FORMAT, TIME)


class LineHandler(logging.Handler):
    """Write each record as a line to the current ``sys.stdout``, also after it is redirected."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(FORMATTER)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            sys.stdout.write(self.format(record) + "\n")
            sys.stdout.flush()
        except OSError:
            self.handleError(record)


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Append the log of this process to a file, including the exception that ends the block."""
    root, handler = logging.getLogger(), logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(FORMATTER)
    root.addHandler(handler)
    try:
        yield
    except Exception as error:
        message = f"ended by {type(error).__name__}: {error}"
        handler.handle(root.makeRecord(root.name, logging.ERROR, __file__, 0, message, (), None))
        raise
    finally:
        root.removeHandler(handler)
        handler.close()
