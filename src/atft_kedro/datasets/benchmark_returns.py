"""A benchmark's file of returns."""

from pathlib import Path
from typing import Any

import polars as pl
from kedro.io import AbstractDataset, DatasetError
from polars.exceptions import PolarsError

from ..market.benchmark_returns import SCHEMA, BenchmarkReturns, read_benchmark_returns
from ..params import InputError


class BenchmarkReturnsDataset(AbstractDataset[None, BenchmarkReturns]):
    """Returns from a parquet file: date, code, observed, return_1d; empty with ``path: null``.

    Example usage for the YAML API:

        benchmark_returns:
          type: atft_kedro.datasets.BenchmarkReturnsDataset
          path: data/01_raw/benchmark_returns.parquet
    """

    def __init__(self, *, path: str | None, metadata: dict[str, Any] | None = None) -> None:
        self._path = None if path is None else Path(path)
        self.metadata = metadata

    def load(self) -> BenchmarkReturns:
        """Read the file."""
        if self._path is None:
            return BenchmarkReturns(pl.DataFrame(schema=SCHEMA))
        if not self._path.exists():
            raise InputError(
                f"{self._path} does not exist: give the benchmark's returns with --params benchmark_returns=PATH."
            )
        try:
            return read_benchmark_returns(pl.scan_parquet(self._path, glob=False))
        except (PolarsError, OSError) as error:
            raise InputError(f"{self._path} (benchmark returns) is not a complete parquet file: {error}") from error

    def save(self, data: None) -> None:
        """Refuse: the file belongs to the user."""
        raise DatasetError("Benchmark returns are read, never written.")

    def _describe(self) -> dict[str, Any]:
        return {"path": None if self._path is None else str(self._path)}

    def _exists(self) -> bool:
        return self._path is None or self._path.exists()
