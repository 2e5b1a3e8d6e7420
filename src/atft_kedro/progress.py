"""The progress of long loops: a bar on a terminal, else lines in the log."""

import logging
import sys
import time
from collections.abc import Collection, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Item = TypeVar("Item")
LOG_INTERVAL = 10.0  # seconds between lines in the log

_logger = logging.getLogger(__name__)


def track_progress(items: Collection[Item], label: str) -> Iterator[Item]:
    """Yield ``items`` and show how many are done."""
    total = len(items)
    if sys.stderr.isatty():
        yield from track(items, description=label, total=total, transient=True, console=Console(stderr=True))
        return
    logged = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - logged > LOG_INTERVAL:
            logged = time.monotonic()
            _logger.info("%s: %d of %d", label, done, total)
