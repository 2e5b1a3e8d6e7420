"""Store of rows between the two passes over the prices: written by stock, read by period."""

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl


class PeriodStore:
    """Rows by period, ``in_memory`` or as Arrow files in a temporary folder (``TMPDIR``)."""

    def __init__(self, in_memory: bool) -> None:
        self._frames: dict[str, list[pl.DataFrame]] = {}
        self._files: dict[str, list[Path]] = {}
        self._folder = None if in_memory else tempfile.TemporaryDirectory(prefix="atft-features-")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def put(self, period: str, rows: pl.DataFrame) -> None:
        """Add a batch of rows to a period."""
        if self._folder is None:
            self._frames.setdefault(period, []).append(rows)
            return
        batches = self._files.setdefault(period, [])
        batches.append(Path(self._folder.name) / f"{period}-{len(batches):06}.arrow")
        rows.write_ipc(batches[-1])

    def periods(self) -> list[str]:
        """List the periods in order."""
        return sorted(self._frames | self._files)

    def pop(self, period: str) -> pl.LazyFrame:
        """Return a period's rows in the order of writing, and remove them from memory."""
        if self._folder is None:
            return pl.concat(self._frames.pop(period)).lazy()
        return pl.scan_ipc(self._files[period], glob=False)
