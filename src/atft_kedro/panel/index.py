"""Values aligned as arrays over (day, stock), and the index of the panel: rows sorted by (code, date)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import DTypeLike, NDArray

from ..params import InputError
from ..schema import CODE, DATE, ELIGIBLE


@dataclass(frozen=True)
class IndexedRows:
    """Rows of a table and their positions in a flattened (day, stock) array."""

    rows: pl.DataFrame
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class DayStockIndex:
    """Sorted days and codes: the axes of (day, stock) arrays."""

    days: pl.Series
    codes: pl.Series

    @classmethod
    def of(cls, table: pl.DataFrame) -> Self:
        """Create the index of all dates and codes in a table."""
        return cls(table[DATE].unique().sort(), table[CODE].cast(pl.String).unique().sort())

    def find(self, table: pl.DataFrame, table_name: str = "table") -> IndexedRows:
        """Find the position of each row; omit unknown dates and codes, refuse repeated rows."""
        stock = table[CODE].cast(pl.String).cast(pl.Enum(self.codes), strict=False).to_physical()
        known_days = self.days.to_physical().to_numpy()
        first = known_days[0]
        # index_of_day is -1 for dates that are not known. Its last entry is always -1: dates outside its range use it.
        index_of_day = np.full(known_days[-1] - first + 2, -1, dtype=np.int32)
        index_of_day[known_days - first] = np.arange(len(known_days))
        offset = table[DATE].to_physical().to_numpy() - first
        day = index_of_day[np.where((offset >= 0) & (offset < len(index_of_day)), offset, -1)]
        is_known = (day >= 0) & stock.is_not_null().to_numpy()
        if not is_known.all():
            table, day, stock = table.filter(is_known), day[is_known], stock.filter(is_known)
        indexed = IndexedRows(table, day.astype(np.int64) * len(self.codes) + stock.to_numpy())
        self._require_unique(indexed, table_name)
        return indexed

    def to_array(
        self, indexed: IndexedRows, column: str, dtype: DTypeLike = np.float64, unknown: float = np.nan
    ) -> np.ndarray:
        """Return a column as an array (day, stock); ``unknown`` where no row or no value exists."""
        values = np.full(len(self.days) * len(self.codes), unknown, dtype=dtype)
        values[indexed.positions] = indexed.rows[column].fill_null(unknown).to_numpy()
        return values.reshape(len(self.days), len(self.codes))

    def _require_unique(self, indexed: IndexedRows, table_name: str) -> None:
        """Refuse two rows of the same date and code."""
        seen = np.zeros(len(self.days) * len(self.codes), dtype=bool)
        seen[indexed.positions] = True
        repeats = len(indexed.rows) - int(seen.sum())
        if repeats:
            row = indexed.rows.filter(pl.struct(DATE, CODE).is_duplicated()).row(0, named=True)
            raise InputError(
                f"{repeats} rows of the {table_name} repeat the date and code of another row, for example {row[DATE]} "
                f"{row[CODE]}."
            )


@dataclass(frozen=True)
class PanelIndex:
    """Days and codes of a market, and the panel row of each observation."""

    axes: DayStockIndex
    row_of: np.ndarray  # int32 (day, stock); −1: the stock has no observation
    eligible: np.ndarray  # bool (day, stock)

    @cached_property
    def days(self) -> np.ndarray:
        """Return the days as datetime64[D]."""
        return self.axes.days.to_numpy()

    @cached_property
    def codes(self) -> list[str]:
        """Return the codes of the stocks."""
        return self.axes.codes.to_list()

    @property
    def rows(self) -> int:
        """Count the observations."""
        return int(self.row_of.max()) + 1

    def find(self, keys: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the day index and stock index of each row; refuse unknown rows."""
        indexed = self.axes.find(keys, "ML dataset")
        if unknown := len(keys) - len(indexed.rows):
            raise InputError(f"{unknown} rows of the ML dataset have a date or code that is not in the universe.")
        return np.divmod(indexed.positions, len(self.axes.codes))

    def stocks_per_day(self) -> np.ndarray:
        """Count the stocks that are forecast on each day."""
        counts: np.ndarray = self.eligible.sum(axis=1)
        return counts


def index_observations(universe: pl.DataFrame) -> PanelIndex:
    """Assign a panel row to every observation of the universe."""
    axes = DayStockIndex.of(universe)
    shape = (len(axes.days), len(axes.codes))
    index = PanelIndex(axes, np.full(shape, -1, dtype=np.int32), np.zeros(shape, dtype=bool))
    day, stock = index.find(universe)
    index.eligible[day, stock] = universe[ELIGIBLE].to_numpy()
    index.row_of[day, stock] = 0  # marks the observations, which are numbered below
    by_stock = index.row_of.T  # (stock, day), a view: the next line sets row_of
    by_stock[by_stock == 0] = np.arange(universe.height, dtype=np.int32)
    return index
