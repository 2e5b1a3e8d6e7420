"""Labels that a benchmark has fixed."""

from pathlib import Path
from typing import Any

import polars as pl
from kedro.io import AbstractDataset, DatasetError
from polars.exceptions import PolarsError

from ..market.benchmark_returns import SCHEMA, Labels, read_labels
from ..params import InputError


class LabelsDataset(AbstractDataset[None, Labels]):
    """Labels from a parquet file: date, code, observed, return_1d. With ``path: null`` nobody has fixed any.

    Example usage for the YAML API:

        labels:
          type: atft_kedro.datasets.LabelsDataset
          path: data/01_raw/labels.parquet
    """

    def __init__(self, *, path: str | None, metadata: dict[str, Any] | None = None) -> None:
        self._path = None if path is None else Path(path)
        self.metadata = metadata

    def load(self) -> Labels:
        """Read the file."""
        if self._path is None:
            return Labels(pl.DataFrame(schema=SCHEMA))
        if not self._path.exists():
            raise InputError(f"The labels {self._path} do not exist: give their path with --params labels=PATH.")
        try:
            return read_labels(pl.scan_parquet(self._path, glob=False))
        except (PolarsError, OSError) as error:
            raise InputError(f"The labels {self._path} are no whole parquet file: {error}") from error

    def save(self, data: None) -> None:
        """Refuse: these are the user's file."""
        raise DatasetError("Labels are read, never written.")

    def _describe(self) -> dict[str, Any]:
        return {"path": None if self._path is None else str(self._path)}

    def _exists(self) -> bool:
        return self._path is None or self._path.exists()
