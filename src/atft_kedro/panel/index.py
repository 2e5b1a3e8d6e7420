"""Where each stock's observations lie in the panel: rows by (code, date), found by (day, stock)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from ..params import InputError
from ..schema import CODE, DATE, ELIGIBLE


@dataclass(frozen=True)
class PanelIndex:
    """The days and codes of a market, and what is where; −1 is a day on which a stock was not traded."""

    days: np.ndarray  # datetime64[D] (day,)
    codes: Sequence[str]
    row_of: np.ndarray  # int32 (day, stock)
    eligible: np.ndarray  # bool (day, stock)

    @cached_property
    def rows(self) -> int:
        """Count the observations."""
        return int(self.row_of.max()) + 1

    @cached_property
    def _places(self) -> pl.Enum:
        return pl.Enum(self.codes)

    def find(self, keys: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Translate dates and codes into places of days and stocks."""
        day = np.searchsorted(self.days, keys[DATE].to_numpy())
        stock = keys[CODE].cast(self._places).to_physical().to_numpy()
        return day, stock.astype(np.int64)

    def stocks_per_day(self) -> np.ndarray:
        """Count the stocks that are forecast on each day."""
        counts: np.ndarray = self.eligible.sum(axis=1)
        return counts


def index_observations(universe: pl.DataFrame) -> PanelIndex:
    """Give every observation its row in the panel."""
    days = universe[DATE].unique().sort().to_numpy()
    codes = universe[CODE].unique().sort().to_list()
    shape = (len(days), len(codes))
    empty = PanelIndex(days, codes, np.full(shape, -1, dtype=np.int32), np.zeros(shape, dtype=bool))
    day, stock = empty.find(universe)
    empty.row_of[day, stock] = 0
    by_stock = empty.row_of.T  # (stock, day)
    observed = by_stock == 0
    if (count := int(observed.sum())) != universe.height:
        raise InputError(
            f"{universe.height - count} rows of the ML dataset repeat a date and code; the guard tells which."
        )
    by_stock[observed] = np.arange(count, dtype=np.int32)  # written through to row_of
    empty.eligible[day, stock] = universe[ELIGIBLE].to_numpy()
    return empty
