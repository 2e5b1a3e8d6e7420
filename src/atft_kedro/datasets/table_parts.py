"""A folder of table parts, so that a stage may write along one axis and the next read along another."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from kedro.io import AbstractDataset

from ..params import InputError


class TablePartsDataset(AbstractDataset[Iterator[tuple[str, pl.DataFrame]], list[pl.LazyFrame]]):
    """A table in parts: ``(name, rows)`` pairs on save, one lazy frame per name on load, in the names' order.

    Rows of one name come in many pieces; each piece is an uncompressed Arrow file. Written to a folder
    beside and renamed when it is whole.

    Example usage for the YAML API:

        stock_features:
          type: atft_kedro.datasets.TablePartsDataset
          path: data/04_feature/stock_features
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self.metadata = metadata

    def load(self) -> list[pl.LazyFrame]:
        """Scan the parts of every name."""
        if not self._path.is_dir():
            raise InputError(f"{self._path} does not exist.")
        names = sorted(folder for folder in self._path.iterdir() if folder.is_dir())
        return [pl.scan_ipc(sorted(folder.glob("*.arrow"))) for folder in names]

    def save(self, data: Iterator[tuple[str, pl.DataFrame]]) -> None:
        """Write all parts or nothing."""
        partial = self._path.with_name(f".{self._path.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            for number, (name, rows) in enumerate(data):
                (partial / name).mkdir(parents=True, exist_ok=True)
                rows.write_ipc(partial / name / f"{number:06}.arrow")
            shutil.rmtree(self._path, ignore_errors=True)
            partial.rename(self._path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}

    def _exists(self) -> bool:
        return self._path.is_dir()
