"""The ML dataset as the rules look at it: every column once, and two samples of whole days and whole histories."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from ..schema import CLOSE, CODE, DATE, KEY, QUOTES, SECTOR, VWAP, feature_columns, target_columns

COUNTS = ("nulls", "nans", "infinite")
COLUMNS_AT_ONCE = 64
SAMPLED_ROWS = 150_000  # of each sample, in whole days or whole histories


@dataclass(frozen=True)
class InspectedDataset:
    """An ML dataset under our names. What several rules need is computed once."""

    frame: pl.LazyFrame

    @cached_property
    def schema(self) -> pl.Schema:
        """Read the columns and types."""
        return self.frame.collect_schema()

    @cached_property
    def features(self) -> list[str]:
        """Name the features."""
        return feature_columns(self.schema)

    @cached_property
    def targets(self) -> dict[str, int]:
        """Map target columns to horizons."""
        return target_columns(self.schema)

    @cached_property
    def unused(self) -> list[str]:
        """Name the columns that are no key, quote, vwap, target or feature."""
        roles = {*KEY, SECTOR, *QUOTES, VWAP, *self.features, *self.targets}
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
        """Measure every feature and target over all rows: nulls, nans, infinite, low, high, mean, deviation."""
        names = [*self.features, *self.targets]
        groups = [names[start : start + COLUMNS_AT_ONCE] for start in range(0, len(names), COLUMNS_AT_ONCE)]
        return pl.concat([_measure(self.frame, group) for group in groups]) if groups else _measure_nothing()

    @cached_property
    def sampled_days(self) -> pl.DataFrame:
        """Take whole cross-sections, evenly spaced over the history, sorted by date."""
        days = self.days[DATE]
        wanted = _spread(days, SAMPLED_ROWS * len(days) // max(self.keys.height, 1))
        return self.read(pl.col(DATE).is_in(wanted.implode())).sort(DATE, maintain_order=True)

    @cached_property
    def sampled_stocks(self) -> pl.DataFrame:
        """Take whole histories of evenly spaced stocks, sorted by (code, date)."""
        codes = self.keys[CODE].unique().sort()
        wanted = _spread(codes, SAMPLED_ROWS * len(codes) // max(self.keys.height, 1))
        return self.read(pl.col(CODE).is_in(wanted.implode())).sort(CODE, DATE)

    def read(self, rows: pl.Expr) -> pl.DataFrame:
        """Read keys, close, features and targets of some rows, a few columns at once: a scan holds what it decodes."""
        names = [*KEY, *([CLOSE] if CLOSE in self.schema else []), *self.features, *self.targets]
        groups = [names[start : start + COLUMNS_AT_ONCE] for start in range(0, len(names), COLUMNS_AT_ONCE)]
        return pl.concat([self.frame.filter(rows).select(group).collect() for group in groups], how="horizontal")


def _measure(frame: pl.LazyFrame, names: list[str]) -> pl.DataFrame:
    """Measure some columns in one streaming pass; NaN and infinities are counted and then left out."""
    wanted = [pl.col(name) for name in names]
    finite = [pl.when(column.is_finite()).then(column.cast(pl.Float64)) for column in wanted]
    measures = {
        "nulls": [column.null_count() for column in wanted],
        "nans": [column.is_nan().sum() for column in wanted],
        "infinite": [column.is_infinite().sum() for column in wanted],
        "low": [column.min() for column in finite],
        "high": [column.max() for column in finite],
        "mean": [column.mean() for column in finite],
        "deviation": [column.std() for column in finite],
    }
    flat = [each.alias(f"{place}.{what}") for what, cells in measures.items() for place, each in enumerate(cells)]
    row = frame.select(flat).collect(engine="streaming").row(0)
    table = np.array(row, dtype=np.float64).reshape(len(measures), len(names))
    measured = pl.DataFrame({"column": names, **dict(zip(measures, table, strict=True))})
    return measured.with_columns(pl.selectors.float().fill_nan(None)).cast(dict.fromkeys(COUNTS, pl.Int64))


def _measure_nothing() -> pl.DataFrame:
    counts = dict.fromkeys(COUNTS, pl.Int64)
    return pl.DataFrame(
        schema={
            "column": pl.String,
            **counts,
            **dict.fromkeys(("low", "high", "mean", "deviation"), pl.Float64),
        }
    )


def _spread(values: pl.Series, count: int) -> pl.Series:
    """Take ``count`` values at even distances, the last one always among them."""
    places = np.linspace(len(values) - 1, 0, min(max(count, 2), len(values))).round().astype(int)
    return values.gather(np.unique(places).tolist())
