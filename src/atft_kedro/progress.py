"""Progress on long work: a bar on a terminal, plain lines in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")
LINE_EVERY = 10.0  # seconds between lines in a log

_logger = logging.getLogger(__name__)


def track_progress(items: Iterable[Item], label: str, total: int) -> Iterator[Item]:
    """Yield ``items`` and show how many of ``total`` are done."""
    if sys.stderr.isatty():
        yield from track(items, description=label, total=total, transient=True, console=Console(stderr=True))
        return
    said = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - said > LINE_EVERY:
            said = time.monotonic()
            _logger.info("%s: %d of %d", label, done, total)
