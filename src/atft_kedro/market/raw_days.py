"""Raw days of a price source: unadjusted prices in one file per day, which is added once and never changed."""

import logging
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Protocol

import polars as pl
from pydantic.dataclasses import dataclass

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

    def list_days(self) -> Sequence[date]:
        """List the trading days in order."""
        ...

    def read_day(self, day: date, stored: pl.DataFrame) -> pl.DataFrame:
        """Read a day as `SCHEMA`; empty while the source does not have it.

        ``stored`` is the same day if it is stored, else the stored day before it.
        """
        ...


@dataclass(frozen=True)
class RawDays:
    """A folder of days, read as of a day and without some market segments."""

    folder: Path
    as_of: date | None = None
    without_segments: tuple[str, ...] = ()

    @property
    def days_folder(self) -> Path:
        """The folder of the files."""
        return self.folder / "days"

    def list_days(self) -> list[date]:
        """List the stored days in order."""
        return sorted(date.fromisoformat(file.stem) for file in self.days_folder.glob("[0-9]*.parquet"))

    def read(self, day: date) -> pl.DataFrame:
        """Read one day as it was stored."""
        return pl.read_parquet(self._find(day), glob=False)

    def _find(self, day: date) -> Path:
        return self.days_folder / f"{day}.parquet"

    def update(self, source: DaySource, recheck_days: int) -> list[date]:
        """Store the source's days that are missing, and return them.

        An interrupted update continues with the next call. The newest ``recheck_days`` stored days are compared with
        the source; corrections are logged and not used.
        """
        with wait_for_lock(self.folder / "update.lock"):
            known, stored = source.list_days(), self.list_days()
            for day in sorted({*known} & {*stored}, reverse=True)[:recheck_days]:
                self._compare(day, source)
            missing = [day for day in known if day not in stored]
            added = [day for day in track_progress(missing, "days of prices") if self._add(day, source)]
        _logger.info("prices: %d days added, %d stored in %s", len(added), len(stored) + len(added), self.days_folder)
        if waiting := [day for day in missing if day not in added]:
            _logger.warning("prices: the source has no prices yet of %s", list_names(waiting))
        return added

    def _add(self, day: date, source: DaySource) -> bool:
        """Store a day; return False while the source does not have it."""
        before = [stored for stored in self.list_days() if stored < day]
        prices = source.read_day(day, self.read(before[-1]) if before else pl.DataFrame(schema=SCHEMA))
        if prices.is_empty():
            return False
        _require_possible_rows(day, prices)
        with atomic_write(self._find(day)) as partial:
            prices.sort(CODE).write_parquet(partial)
        return True

    def _compare(self, day: date, source: DaySource) -> None:
        """Warn of values that the source has corrected since the day was stored."""
        stored = self.read(day)
        prices = source.read_day(day, stored)
        if not prices.is_empty() and (changes := _list_changes(stored, prices)):
            _logger.warning(
                "prices: the source has corrected %s: %s. The stored values are used. For the new ones delete %s",
                *(day, list_names(changes, 5, "; "), self._find(day)),
            )

    def load(self) -> pl.LazyFrame:
        """Load the prices, adjusted by the factors of the stored days.

        With ``as_of`` the result is that of the day ``as_of``: no later day, and no later factor. Stocks that were not
        traded on a day have no row.
        """
        return apply_adjustment_factors(self._scan()).filter(self._is_traded).drop(SEGMENT)

    def find_delisted(self, final_return: float) -> pl.DataFrame:
        """List the stocks that the newest day lacks: last day, code, ``final_return``."""
        if not self.list_days():
            return NO_DELISTINGS
        ends = self._scan().group_by(CODE).agg(pl.col(DATE).max(), self._is_traded.any().alias("traded")).collect()
        ended = ends.filter(pl.col("traded"), pl.col(DATE) < pl.col(DATE).max()).sort(DATE, CODE)
        return ended.select(DATE, CODE, pl.lit(final_return).alias(DELISTING_RETURN))

    @property
    def _is_traded(self) -> pl.Expr:
        """Whether a row has a price, and is not of a segment that is left out."""
        is_excluded = pl.col(SEGMENT).is_in(list(self.without_segments)).fill_null(False)
        return pl.col(CLOSE).is_not_null() & ~is_excluded

    def _scan(self) -> pl.LazyFrame:
        days = [day for day in self.list_days() if self.as_of is None or day <= self.as_of]
        if not days:
            until = f" until {self.as_of}" if self.as_of else ""
            raise InputError(f"{self.days_folder} has no prices{until}: `kedro run` adds the days that the source has.")
        return pl.scan_parquet([self._find(day) for day in days], glob=False)


def _require_possible_rows(day: date, prices: pl.DataFrame) -> None:
    """Refuse rows of other days, repeated codes and factors that are not positive."""
    factor = pl.col(ADJUSTMENT_FACTOR)
    faults = {
        f"is not of {day}": (pl.col(DATE) != day).fill_null(True),
        "has no code or the code of another row": pl.col(CODE).is_null() | pl.col(CODE).is_duplicated(),
        "has an adjustment factor that is not a positive number": ~(factor.is_finite() & (factor > 0)),
    }
    for fault, is_broken in faults.items():
        for code in prices.filter(is_broken).head(1)[CODE]:
            raise InputError(f"The source's prices of {day} are wrong: the row of {code} {fault}. Nothing was stored.")


def _list_changes(stored: pl.DataFrame, prices: pl.DataFrame) -> list[str]:
    """List the differences as texts such as ``7203 close 100.0 → 101.0``."""
    before, after = (
        rows.select(CODE, pl.exclude(CODE).cast(pl.String)).unpivot(index=CODE) for rows in (stored, prices)
    )
    joined = before.join(after, on=[CODE, "variable"], how="full", coalesce=True, maintain_order="left_right")
    changed = joined.filter(pl.col("value").ne_missing(pl.col("value_right"))).sort(CODE, maintain_order=True)
    return [f"{code} {name} {value} → {corrected}" for code, name, value, corrected in changed.iter_rows()]
