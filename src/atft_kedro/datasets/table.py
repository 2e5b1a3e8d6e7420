"""Parquet tables that are read lazily and written piece by piece."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from kedro.io import AbstractDataset
from kedro_datasets._typing import TablePreview
from polars.exceptions import ComputeError
from polars.io.plugins import register_io_source

from ..advice import advise_run
from ..files import atomic_write
from ..params import InputError
from .run_files import InRunFolder

ROW_GROUP_SIZE = 131_072  # rows
TableData = pl.DataFrame | pl.LazyFrame | Iterator[pl.DataFrame]


class TableDataset(InRunFolder, AbstractDataset[TableData, pl.LazyFrame]):
    """A table in one parquet file, scanned lazily on load.

    ``save`` takes a frame, a lazy frame or an iterator of frames, streams it to a temporary file and then renames the
    file. If it takes an iterator, only a few of its frames are in memory at a time. ``read_only: true`` is for a file
    that the user provides: saving to it is an error. With ``optional: true`` a missing file is an empty table. In the
    file's path ``<run>`` stands for the name of a run. ``metadata`` is for Kedro and its plugins.

    Example usage for the YAML API:

        ml_dataset:
          type: atft_kedro.datasets.TableDataset
          filepath: data/05_model_input/ml_dataset.parquet
          compression: lz4
    """

    def __init__(
        self,
        *,
        filepath: str,
        compression: str = "lz4",
        read_only: bool = False,
        optional: bool = False,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._filepath = Path(filepath)
        self._read_only, self._optional = read_only, optional
        self._compression = compression
        self.metadata = metadata

    def load(self) -> pl.LazyFrame:
        """Scan the file lazily."""
        if self._optional and not self._filepath.exists():
            return pl.LazyFrame()
        if not self._filepath.exists():
            raise InputError(f"{self._filepath} does not exist.")
        frame = pl.scan_parquet(self._filepath, glob=False)
        try:
            frame.collect_schema()
        except (ComputeError, OSError) as error:
            raise InputError(f"{self._filepath} cannot be read as a parquet file: {error}") from error
        return frame

    def save(self, data: TableData) -> None:
        """Write the table completely or not at all; refuse an iterator without frames."""
        if self._read_only:
            raise InputError(
                f"{self._filepath} is your own table and is not overwritten (read_only). Run only the nodes that "
                f"read it: {advise_run('--pipelines guard')}, or kedro run --from-inputs with its name in the catalog."
            )
        with atomic_write(self._filepath) as temporary_path:
            _to_lazy(data).sink_parquet(temporary_path, compression=self._compression, row_group_size=ROW_GROUP_SIZE)  # type: ignore[call-overload]

    def preview(self, nrows: int = 8) -> TablePreview:
        """Return the first rows for Kedro-Viz."""
        rows = self.load().head(nrows).collect().with_columns(pl.selectors.float().round_sig_figs(5))
        printable = rows.with_columns(pl.selectors.temporal().cast(pl.String))
        return TablePreview(
            {
                "index": list(range(printable.height)),
                "columns": printable.columns,
                "data": [list(row) for row in printable.iter_rows()],
            }
        )

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "compression": self._compression}


def _to_lazy(data: TableData) -> pl.LazyFrame:
    """Convert frames to a lazy frame; an iterator is consumed while the file is written."""
    if isinstance(data, pl.DataFrame | pl.LazyFrame):
        return data.lazy()
    frames = iter(data)
    first = next(frames, None)
    if first is None:
        raise InputError(
            "The table cannot be written: the node returned an iterator without any frame. An empty table needs one "
            "frame without rows."
        )
    # Polars passes the columns, filter and number of rows to read. The whole table is written, so they are ignored.
    return register_io_source(lambda *_: itertools.chain([first], frames), schema=first.schema)
