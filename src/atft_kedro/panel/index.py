"""Index of the panel: rows sorted by (code, date), looked up by (day, stock)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ..params import InputError
from ..schema import CODE, DATE, ELIGIBLE


@dataclass(frozen=True)
class PanelIndex:
    """Days and codes of a market, and the panel row of each observation."""

    days: np.ndarray  # datetime64[D] (day,)
    codes: Sequence[str]
    row_of: np.ndarray  # int32 (day, stock); −1: the stock has no observation
    eligible: np.ndarray  # bool (day, stock)

    @property
    def rows(self) -> int:
        """Count the observations."""
        return int(self.row_of.max()) + 1

    def find(self, keys: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the day index and stock index of each date and code."""
        day = np.searchsorted(self.days, keys[DATE].to_numpy())
        stock = keys[CODE].cast(pl.Enum(self.codes)).to_physical().to_numpy()
        return day, stock.astype(np.int64)

    def stocks_per_day(self) -> np.ndarray:
        """Count the stocks that are forecast on each day."""
        counts: np.ndarray = self.eligible.sum(axis=1)
        return counts


def index_observations(universe: pl.DataFrame) -> PanelIndex:
    """Assign a panel row to every observation of the universe."""
    days = universe[DATE].unique().sort().to_numpy()
    codes = universe[CODE].unique().sort().to_list()
    shape = (len(days), len(codes))
    index = PanelIndex(days, codes, np.full(shape, -1, dtype=np.int32), np.zeros(shape, dtype=bool))
    day, stock = index.find(universe)
    index.row_of[day, stock] = 0  # marks the observations, which are numbered below
    by_stock = index.row_of.T  # (stock, day)
    observed = by_stock == 0
    if (count := int(observed.sum())) != universe.height:
        raise InputError(
            f"{universe.height - count} rows of the ML dataset repeat a date and code; the guard report lists them."
        )
    by_stock[observed] = np.arange(count, dtype=np.int32)  # a view: this sets row_of
    index.eligible[day, stock] = universe[ELIGIBLE].to_numpy()
    return index
