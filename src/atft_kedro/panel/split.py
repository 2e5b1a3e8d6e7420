"""Split of the trading days into train, validation and test, with a gap between them."""

import logging
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ..params import InputError, Params
from .sizes import SizeParams, SplitSize

SplitName = Literal["history", "train", "embargo", "purge", "validation", "test", "unused"]
# In this order; of two neighbouring splits, the gap is taken from the one that is first here.
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")

_logger = logging.getLogger(__name__)


class DateRange(Params):
    """Consecutive trading days of one split.

    Its labels may use closes up to ``last_label_day``.
    """

    split: SplitName
    first: date
    last: date
    days: Annotated[int, Field(gt=0)]
    last_label_day: date | None = None  # null: the end of the data


class Split(Params):
    """Date ranges in chronological order; each day is in at most one, so splits cannot overlap."""

    name: str
    date_ranges: tuple[DateRange, ...]
    sizes: dict[SplitName, SplitSize] = Field(default_factory=dict)  # filled in by `add_sizes`
    needed: SizeParams | None = None

    @model_validator(mode="after")
    def _is_chronological(self) -> Self:
        for earlier, later in pairwise(self.date_ranges):
            if later.first <= earlier.last:
                raise ValueError(f"{self.name}: {later.split} from {later.first} overlaps {earlier.split}")
        if any(dates.last < dates.first for dates in self.date_ranges):
            raise ValueError(f"{self.name}: the last day of a date range is before its first day")
        return self

    def ranges_of(self, split: SplitName) -> tuple[DateRange, ...]:
        """List the date ranges of one split."""
        return tuple(dates for dates in self.date_ranges if dates.split == split)

    def shortages(self) -> dict[SplitName, str]:
        """Describe the splits that have fewer days or stocks than recommended."""
        if self.needed is None:
            return {}
        described = {split: size.describe_shortage(split, self.needed) for split, size in self.sizes.items()}
        return {split: shortage for split, shortage in described.items() if shortage is not None}

    def keep_last_days(self, split: SplitName, days: np.ndarray, count: int) -> Self:
        """Keep only the last ``count`` days of a split, and all days of the others."""
        first = days[self.indices_of(split, days)[-count:]][0].item()
        kept = []
        for dates in self.date_ranges:
            if dates.split != split or dates.first >= first:
                kept.append(dates)
            elif dates.last >= first:
                inside = (days >= np.datetime64(first)) & (days <= np.datetime64(dates.last))
                kept.append(dates.model_copy(update={"first": first, "days": int(inside.sum())}))
        return self.model_copy(update={"date_ranges": tuple(kept)})

    def indices_of(self, split: SplitName, days: np.ndarray) -> np.ndarray:
        """Return the indices of a split's days in ``days``."""
        inside = np.zeros(len(days), dtype=bool)
        for dates in self.ranges_of(split):
            inside |= (days >= np.datetime64(dates.first)) & (days <= np.datetime64(dates.last))
        return np.flatnonzero(inside)


class SplitParams(Params):
    """Borders of the three splits: dates, numbers of days, or shares of the days.

    The last ``test_days`` days test, the ``validation_days`` before them validate, and all days before these train.
    Earlier days than ``min_date`` do not count. With benchmark returns the days are those of the returns, and a
    ``min_date`` of ``benchmark`` is the day of their first forecast.
    """

    min_date: date | Literal["benchmark"] | None
    train_until: date | None
    validation_until: date | None
    test_until: date | None
    train: Annotated[float, Field(gt=0, lt=1)]
    validation: Annotated[float, Field(gt=0, lt=1)]
    validation_days: Annotated[int, Field(gt=0)] | None
    test_days: Annotated[int, Field(gt=0)] | None
    embargo_days: Annotated[int, Field(ge=0)]
    sizes: SizeParams

    @model_validator(mode="after")
    def _leaves_test_days(self) -> Self:
        if (self.train_until is None) != (self.validation_until is None):
            raise ValueError("train_until and validation_until belong together")
        if (self.validation_days is None) != (self.test_days is None):
            raise ValueError("validation_days and test_days belong together")
        if self.test_days is not None and (self.train_until or self.test_until):
            raise ValueError("set test_days, or train_until and test_until: each of them decides where the splits end")
        if self.train + self.validation >= 1:
            raise ValueError(f"train {self.train} and validation {self.validation} leave no test days")
        borders = (self.min_date, self.train_until, self.validation_until, self.test_until)
        given = [day for day in borders if isinstance(day, date)]
        if sorted(set(given)) != given:
            raise ValueError("min_date, train_until, validation_until and test_until must follow each other")
        return self

    def count_days(self, days: int) -> tuple[int, int]:
        """Count the train and validation days of ``days`` days, gaps included."""
        if self.validation_days is not None and self.test_days is not None:
            return max(days - self.validation_days - self.test_days, 0), self.validation_days
        return round(self.train * days), round(self.validation * days)

    def fill_dates(self, benchmark_days: np.ndarray, days: np.ndarray) -> Self:
        """Fill in missing dates from a benchmark's days; without a benchmark nothing changes.

        The forecast for a return is made on the trading day before.
        """
        if not len(benchmark_days):
            return self
        forecast_days = days[np.searchsorted(days, benchmark_days[benchmark_days > days[0]]) - 1]
        train, validation = self.count_days(len(forecast_days))
        counts = {"train_until": train, "validation_until": train + validation, "test_until": 0}
        dates = {name: forecast_days[count - 1].item() for name, count in counts.items() if getattr(self, name) is None}
        if self.min_date == "benchmark":
            dates["min_date"] = forecast_days[0].item()
        counted = dict.fromkeys(("validation_days", "test_days"))  # the dates replace them
        return type(self).model_validate(self.model_dump() | counted | dates)


def split_days(days: np.ndarray, params: SplitParams, target_span: int) -> Split:
    """Split the trading days; labels end ``target_span`` days after their day."""
    splits = np.full(len(days), "test", dtype="<U10")
    if params.min_date == "benchmark":
        raise InputError(
            "split.min_date is benchmark, and there are no benchmark returns: run with --env benchmark, or give a date."
        )
    if params.min_date:
        splits[days < np.datetime64(params.min_date)] = "history"
    if params.test_until:
        splits[days > np.datetime64(params.test_until)] = "unused"
    used = np.flatnonzero(splits == "test")
    if params.train_until and params.validation_until:
        splits[used[days[used] <= np.datetime64(params.validation_until)]] = "validation"
        splits[used[days[used] <= np.datetime64(params.train_until)]] = "train"
    else:
        train, validation = params.count_days(len(used))
        splits[used[:train]] = "train"
        splits[used[train : train + validation]] = "validation"
    return insert_gaps("split", days, splits, target_span, params.embargo_days)


def insert_gaps(name: str, days: np.ndarray, planned: np.ndarray, purge: int, embargo: int) -> Split:
    """Insert a gap at every border between two splits; ``planned`` is the split of each day.

    A gap has ``purge`` days for the span of labels, then ``embargo`` more unused days.
    """
    splits = planned.astype("<U10")  # wide enough for every name
    for border in _find_borders(planned):
        earlier, later = str(planned[border - 1]), str(planned[border])
        if earlier not in SPLIT_NAMES or later not in SPLIT_NAMES:
            continue
        takes_earlier = SPLIT_NAMES.index(earlier) < SPLIT_NAMES.index(later)
        for distance in range(purge + embargo):
            day = border - 1 - distance if takes_earlier else border + distance
            if not 0 <= day < len(days) or planned[day] != (earlier if takes_earlier else later):
                break
            if splits[day] != "purge":
                splits[day] = "purge" if distance < purge else "embargo"
    split = Split(name=name, date_ranges=tuple(_list_date_ranges(days, splits, planned)))
    _require_all_splits(split, planned, purge, embargo)
    return split


def _find_borders(splits: np.ndarray) -> np.ndarray:
    return np.flatnonzero(splits[1:] != splits[:-1]) + 1


def _list_date_ranges(days: np.ndarray, splits: np.ndarray, planned: np.ndarray) -> Iterator[DateRange]:
    """Yield the date ranges; labels end before the next day planned for a later split."""
    for start, end in pairwise([0, *_find_borders(splits).tolist(), len(days)]):
        split = str(splits[start])
        later_splits = SPLIT_NAMES[SPLIT_NAMES.index(split) + 1 :] if split in SPLIT_NAMES else ()
        later_days = np.flatnonzero(np.isin(planned[end:], later_splits))
        yield DateRange(
            split=split,
            first=days[start].item(),
            last=days[end - 1].item(),
            days=end - start,
            last_label_day=days[end + later_days[0] - 1].item() if len(later_days) else None,
        )


def _require_all_splits(split: Split, planned: np.ndarray, purge: int, embargo: int) -> None:
    for name in SPLIT_NAMES:
        if split.ranges_of(name):
            continue
        count = int((planned == name).sum())
        reason = (
            f"the gap of {purge} purge and {embargo} embargo days takes all {count} of them"
            if count
            else f"its dates, days or shares leave it none of the {len(planned)} days"
        )
        raise InputError(f"{split.name} has no {name} days: {reason}. Change `split:` or `folds:` in conf/.")
    tested = sum(dates.days for dates in split.ranges_of("test"))
    if tested <= purge:
        raise InputError(f"{split.name} tests {tested} days, too few for a label that looks {purge} days ahead.")
    ranges = ", ".join(f"{dates.split} {dates.days} days from {dates.first}" for dates in split.date_ranges)
    _logger.info("%s: %s", split.name, ranges)


def add_sizes(split: Split, days: np.ndarray, stocks_per_day: np.ndarray, needed: SizeParams) -> Split:
    """Add the number of days and stocks of train, validation and test.

    A size below which scores are undefined is an error; one below the recommended size is logged as a warning.
    """
    sizes = {}
    for name in SPLIT_NAMES:
        stocks = stocks_per_day[split.indices_of(name, days)]
        if not stocks.any():
            first, last = split.ranges_of(name)[0].first, split.ranges_of(name)[-1].last
            raise InputError(
                f"{split.name}: no stock is in the universe on any {name} day ({first} to {last}). "
                "Loosen `universe:` or move the days in conf/."
            )
        if len(stocks) < needed.minimum_days or stocks.max() < needed.minimum_stocks:
            raise InputError(
                f"{split.name}: {name} has {len(stocks)} days and at most {stocks.max()} stocks a day; scores are "
                f"undefined below {needed.minimum_days} days and {needed.minimum_stocks} stocks. Take more prices, or "
                "move the days (`split:`, `folds:`) or loosen `universe:` in conf/."
            )
        sizes[name] = SplitSize(days=len(stocks), stocks=int(np.median(stocks)))
    counted = split.model_copy(update={"sizes": sizes, "needed": needed})
    for shortage in counted.shortages().values():
        _logger.warning("%s, %s", split.name, shortage)
    return counted
