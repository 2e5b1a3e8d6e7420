"""Raw days of a price source: unadjusted prices in one file per day, which is added once and never changed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import polars as pl

from ..files import atomic_write
from ..locks import wait_for_lock
from ..params import InputError, list_names
from ..progress import track_progress
from ..schema import CLOSE, CODE, DATE, DELISTING_RETURN, QUOTES, SECTOR, VWAP
from .columns import ADJUSTMENT_FACTOR
from .delistings import NO_DELISTINGS
from .price_files import apply_adjustment_factors

SEGMENT = "segment"  # of the market, such as Prime, Standard or Growth
NUMBERS = (*QUOTES, VWAP, ADJUSTMENT_FACTOR)
SCHEMA = pl.Schema(
    {DATE: pl.Date, CODE: pl.String, SECTOR: pl.String, SEGMENT: pl.String, **dict.fromkeys(NUMBERS, pl.Float64)}
)

_logger = logging.getLogger(__name__)


class DaySource(Protocol):
    """A source that has the unadjusted prices of all stocks, day by day."""

    def list_days(self, first: date, last: date) -> Sequence[date]:
        """List the trading days from ``first`` to ``last``, in order."""
        ...

    def read_day(self, day: date, stored: pl.DataFrame) -> pl.DataFrame:
        """Read a day as `SCHEMA`; empty while the source does not have it.

        ``stored`` is the same day if it is stored, else the stored day before it.
        """
        ...


@dataclass(frozen=True)
class RawDays:
    """A folder of days, and one of corrections, which are reported and not used."""

    folder: Path

    @property
    def days_folder(self) -> Path:
        """The folder of the files that are read."""
        return self.folder / "days"

    def list_days(self) -> list[date]:
        """List the stored days in order."""
        return sorted(date.fromisoformat(file.stem) for file in self.days_folder.glob("[0-9]*.parquet"))

    def read(self, day: date) -> pl.DataFrame:
        """Read one day as it was stored."""
        return pl.read_parquet(self._find(day), glob=False)

    def _find(self, day: date, kind: str = "days") -> Path:
        return self.folder / kind / f"{day}.parquet"

    def update(self, source: DaySource, first: date, last: date, recheck_days: int) -> list[date]:
        """Store the days from ``first`` to ``last`` that are missing, and return them.

        An interrupted update continues with the next call. The newest ``recheck_days`` stored days are read again; a
        day with other values is written to ``corrections``, and the stored file stays.
        """
        with wait_for_lock(self.folder / "update.lock"):
            known = source.list_days(first, last)
            stored = self.list_days()
            recheck = [day for day in known if day in stored]
            for day in recheck[-recheck_days:] if recheck_days else []:
                self._compare(day, source)
            missing = [day for day in known if day not in stored]
            added = [day for day in track_progress(missing, "days of prices") if self._add(day, source)]
        _logger.info("prices: %d days added, %d stored in %s", len(added), len(stored) + len(added), self.days_folder)
        if waiting := [day for day in missing if day not in added]:
            _logger.warning("prices: the source has no prices yet of %s", list_names(waiting))
        self._warn_of_corrections()
        return added

    def _add(self, day: date, source: DaySource) -> bool:
        """Store a day; return False while the source does not have it."""
        before = [stored for stored in self.list_days() if stored < day]
        prices = source.read_day(day, self.read(before[-1]) if before else pl.DataFrame(schema=SCHEMA))
        if not prices.is_empty():
            _write_day(self._find(day), day, prices)
        return not prices.is_empty()

    def _compare(self, day: date, source: DaySource) -> None:
        """Write a day to ``corrections`` if the source's prices differ from the stored ones."""
        stored, correction = self.read(day), self._find(day, "corrections")
        prices = source.read_day(day, stored)
        if prices.sort(CODE).equals(stored):
            correction.unlink(missing_ok=True)
        elif not prices.is_empty():
            _write_day(correction, day, prices)

    def _warn_of_corrections(self) -> None:
        for day in self.list_days():
            if (file := self._find(day, "corrections")).exists():
                changes = list_names(_list_changes(self.read(day), pl.read_parquet(file, glob=False)), 5, "; ")
                advice = f"The stored values are used. To use the new ones: mv {file} {self.days_folder}"
                _logger.warning("prices: the source has corrected %s: %s. %s", day, changes, advice)

    def load(self, as_of: date | None = None, without_segments: Sequence[str] = ()) -> pl.LazyFrame:
        """Load the prices, adjusted by the factors of the stored days.

        With ``as_of`` the result is that of the day ``as_of``: no later day, and no later factor. Stocks that were not
        traded on a day have no row. Rows of ``without_segments`` are left out.
        """
        prices = apply_adjustment_factors(self._scan(as_of))
        is_excluded = pl.col(SEGMENT).is_in(list(without_segments)).fill_null(False)
        return prices.filter(pl.col(CLOSE).is_not_null(), ~is_excluded).drop(SEGMENT)

    def find_delisted(self, as_of: date | None, without_segments: Sequence[str], final_return: float) -> pl.DataFrame:
        """List the stocks that the newest day lacks: last day, code, ``final_return``."""
        if not self.list_days():
            return NO_DELISTINGS
        is_included = ~pl.col(SEGMENT).is_in(list(without_segments)).fill_null(False)
        traded = pl.col(CLOSE).is_not_null() & is_included
        ends = self._scan(as_of).group_by(CODE).agg(pl.col(DATE).max(), traded.any().alias("traded")).collect()
        ended = ends.filter(pl.col("traded"), pl.col(DATE) < pl.col(DATE).max()).sort(DATE, CODE)
        return ended.select(DATE, CODE, pl.lit(final_return).alias(DELISTING_RETURN))

    def _scan(self, as_of: date | None) -> pl.LazyFrame:
        days = [day for day in self.list_days() if as_of is None or day <= as_of]
        if not days:
            until = f" until {as_of}" if as_of else ""
            raise InputError(f"{self.days_folder} has no prices{until}: `kedro run` adds the days that the source has.")
        return pl.scan_parquet([self._find(day) for day in days], glob=False)


def _write_day(path: Path, day: date, prices: pl.DataFrame) -> None:
    """Write a day; refuse rows of other days, repeated codes and factors that are not positive."""
    factor = pl.col(ADJUSTMENT_FACTOR)
    faults = {
        f"is not of {day}": (pl.col(DATE) != day).fill_null(True),
        "has no code or the code of another row": pl.col(CODE).is_null() | pl.col(CODE).is_duplicated(),
        "has an adjustment factor that is not a positive number": ~(factor.is_finite() & (factor > 0)),
    }
    for fault, is_broken in faults.items():
        for code in prices.filter(is_broken).head(1)[CODE]:
            raise InputError(f"The source's prices of {day} are wrong: the row of {code} {fault}. Nothing was stored.")
    with atomic_write(path) as partial:
        prices.sort(CODE).write_parquet(partial)


def _list_changes(stored: pl.DataFrame, prices: pl.DataFrame) -> list[str]:
    """List the differences as texts such as ``7203 close 100.0 → 101.0``."""
    joined = stored.join(prices, on=CODE, how="full", coalesce=True, maintain_order="left_right")
    changes = []
    for row in joined.iter_rows(named=True):
        if row[DATE] is None or row[f"{DATE}_right"] is None:
            changes.append(f"{row[CODE]} is {'new' if row[DATE] is None else 'missing'}")
            continue
        names = [name for name in SCHEMA if name not in (DATE, CODE) and row[name] != row[f"{name}_right"]]
        changes += [f"{row[CODE]} {name} {row[name]} → {row[f'{name}_right']}" for name in names]
    return changes
