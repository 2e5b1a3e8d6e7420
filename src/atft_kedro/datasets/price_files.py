"""People's own price files."""

from pathlib import Path
from typing import Any

import polars as pl
from kedro.io import AbstractDataset, DatasetError
from polars.exceptions import PolarsError
from pydantic import ValidationError

from ..market.columns import PriceFileParams
from ..market.files import read_prices
from ..params import InputError


class PriceFilesDataset(AbstractDataset[None, pl.LazyFrame]):
    """Prices from a CSV or parquet file, or a folder of them, with the columns people gave them.

    Example usage for the YAML API:

        prices:
          type: atft_kedro.datasets.PriceFilesDataset
          path: data/01_raw/prices            # a file, or a folder with a file per stock
          columns: {date: Date, code: Code, close: Last}
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None, **layout: Any) -> None:
        self._path = Path(path)
        try:
            self._layout = PriceFileParams.model_validate(layout)
        except ValidationError as error:
            raise InputError(f"The catalog entry of the price files at {path} is wrong: {error}") from error
        self.metadata = metadata

    def load(self) -> pl.LazyFrame:
        """Read the files into our columns."""
        try:
            return read_prices(self._path, self._layout).collect().lazy()
        except (PolarsError, OSError) as error:
            raise InputError(f"{self._path} cannot be read to its end: {error}") from error

    def save(self, data: None) -> None:
        """Refuse: these are the user's files."""
        raise DatasetError("Price files are read, never written.")

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path), **self._layout.model_dump(mode="json")}

    def _exists(self) -> bool:
        return self._path.exists()
