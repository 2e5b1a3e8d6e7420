"""A folder to which a file per day is added."""

import re
from datetime import date
from pathlib import Path

import polars as pl
from pydantic.dataclasses import dataclass

from ..params import InputError
from .columns import PriceFileParams
from .price_files import read_unadjusted_prices
from .raw_days import SCHEMA
from .table_files import list_table_files

DAY = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)")


@dataclass(frozen=True)
class DailyFolderSource:
    """Files with all stocks of a day, which is part of their name: ``2024-01-31.csv``."""

    folder: Path
    params: PriceFileParams

    def list_days(self) -> list[date]:
        """List the days that have a file."""
        return sorted(self._list_files())

    def read_day(self, day: date, stored: pl.DataFrame) -> pl.DataFrame:
        """Read the file of a day."""
        frame = read_unadjusted_prices(self._list_files()[day], self.params)
        unknown = [
            pl.lit(None, kind).alias(name) for name, kind in SCHEMA.items() if name not in frame.collect_schema()
        ]
        return frame.with_columns(unknown).select(SCHEMA.names()).collect()

    def _list_files(self) -> dict[date, Path]:
        files: dict[date, Path] = {}
        for file in list_table_files(self.folder):
            match = DAY.search(file.name)
            if match is None:
                raise InputError(f"{file} has no day in its name, such as 2024-01-31.csv.")
            day = date(*map(int, match.groups()))
            if day in files:
                raise InputError(f"{file} and {files[day].name} are both of {day}: keep one file per day.")
            files[day] = file
        return files
