"""Rows between the two passes: put in by stock, taken out by period, in memory or in a temporary folder."""

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl


class PeriodStore:
    """Holds pieces of periods until all of a period's pieces are asked for at once.

    ``in_memory`` keeps them there; else they lie in a temporary folder (where ``TMPDIR`` says) as Arrow files.
    """

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
        """Add a piece to a period."""
        if self._folder is None:
            self._frames.setdefault(period, []).append(rows)
            return
        pieces = self._files.setdefault(period, [])
        pieces.append(Path(self._folder.name) / f"{period}-{len(pieces):06}.arrow")
        rows.write_ipc(pieces[-1])

    def periods(self) -> list[str]:
        """Name the periods in their order."""
        return sorted(self._frames | self._files)

    def take(self, period: str) -> pl.LazyFrame:
        """Hand a period's pieces out, in the order in which they were put in, and forget them."""
        if self._folder is None:
            return pl.concat(self._frames.pop(period)).lazy()
        return pl.scan_ipc(self._files[period], glob=False)
