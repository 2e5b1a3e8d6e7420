"""The ML dataset that the guard inspects: statistics of its columns, samples of days and stocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from ..params import batched
from ..schema import CLOSE, CODE, DATE, DELISTING_DATE, KEY, QUOTES, SECTOR, VWAP, feature_columns, target_columns

COUNTS = ("nulls", "nans", "infinite")
MEASURES = ("min", "max", "mean", "std")  # of the finite values
COLUMNS_AT_ONCE = 64  # columns that are in memory together
SAMPLED_ROWS = 150_000  # approximate rows of each sample


@dataclass(frozen=True)
class InspectedDataset:
    """An ML dataset with the project's column names.

    Each property is computed once for all rules.
    """

    frame: pl.LazyFrame

    @cached_property
    def schema(self) -> pl.Schema:
        """Read the columns and types."""
        return self.frame.collect_schema()

    @cached_property
    def features(self) -> list[str]:
        """List the features."""
        return feature_columns(self.schema)

    @cached_property
    def targets(self) -> dict[str, int]:
        """Map target columns to horizons."""
        return target_columns(self.schema)

    @cached_property
    def columns_without_role(self) -> list[str]:
        """List the columns that are no key, sector, quote, vwap, delisting date, target or feature."""
        roles = {*KEY, SECTOR, *QUOTES, VWAP, DELISTING_DATE, *self.features, *self.targets}
        return [name for name in self.schema if name not in roles]

    @cached_property
    def keys(self) -> pl.DataFrame:
        """Read (date, code) of every row, in the order of the file."""
        return self.frame.select(KEY).collect()

    @cached_property
    def days(self) -> pl.DataFrame:
        """Count the stocks of every day: ``date, stocks``."""
        return self.keys.group_by(DATE).agg(pl.len().alias("stocks")).sort(DATE)

    @cached_property
    def statistics(self) -> pl.DataFrame:
        """Compute ``COUNTS`` and ``MEASURES`` of every feature and target, one row per column."""
        names = [*self.features, *self.targets]
        types = {"column": pl.String} | dict.fromkeys(COUNTS, pl.Int64) | dict.fromkeys(MEASURES, pl.Float64)
        groups = [_compute_statistics(self.frame, group) for group in batched(names, COLUMNS_AT_ONCE)]
        return pl.concat([pl.DataFrame(schema=types), *groups])

    @cached_property
    def sampled_days(self) -> pl.DataFrame:
        """Read the rows of complete days, evenly spaced over the history, sorted by date."""
        days = self.days[DATE]
        sampled = _sample_evenly(days, SAMPLED_ROWS * len(days) // max(self.keys.height, 1))
        return self.read_rows(pl.col(DATE).is_in(sampled.implode())).sort(DATE, maintain_order=True)

    @cached_property
    def sampled_stocks(self) -> pl.DataFrame:
        """Read the rows of complete histories of evenly spaced stocks, sorted by (code, date)."""
        codes = self.keys[CODE].unique().sort()
        sampled = _sample_evenly(codes, SAMPLED_ROWS * len(codes) // max(self.keys.height, 1))
        return self.read_rows(pl.col(CODE).is_in(sampled.implode())).sort(CODE, DATE)

    def read_rows(self, condition: pl.Expr) -> pl.DataFrame:
        """Read keys, close, features and targets of the rows that meet a condition."""
        names = [*KEY, *([CLOSE] if CLOSE in self.schema else []), *self.features, *self.targets]
        groups = [self.frame.filter(condition).select(group).collect() for group in batched(names, COLUMNS_AT_ONCE)]
        return pl.concat(groups, how="horizontal")


def _compute_statistics(frame: pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    """Compute the statistics of some columns in one streaming pass."""
    columns = [pl.col(name) for name in names]
    finite = [pl.when(column.is_finite()).then(column.cast(pl.Float64)) for column in columns]
    statistics = {
        "nulls": [column.null_count() for column in columns],
        "nans": [column.is_nan().sum() for column in columns],
        "infinite": [column.is_infinite().sum() for column in columns],
        "min": [column.min() for column in finite],
        "max": [column.max() for column in finite],
        "mean": [column.mean() for column in finite],
        "std": [column.std() for column in finite],
    }
    # One row: the first statistic of all columns, then the second one of all columns, …
    cells = [cell.alias(f"{index}.{name}") for name, row in statistics.items() for index, cell in enumerate(row)]
    values = np.array(frame.select(cells).collect(engine="streaming").row(0), dtype=np.float64)
    rows = values.reshape(len(statistics), len(names))
    table = pl.DataFrame({"column": names, **dict(zip(statistics, rows, strict=True))})
    return table.with_columns(pl.selectors.float().fill_nan(None)).cast(dict.fromkeys(COUNTS, pl.Int64))


def _sample_evenly(values: pl.Series, count: int) -> pl.Series:
    """Select ``count`` values (at least 2, if there are so many) at even distances, with the first and the last."""
    indices = np.linspace(len(values) - 1, 0, min(max(count, 2), len(values))).round().astype(int)
    return values.gather(np.unique(indices).tolist())
