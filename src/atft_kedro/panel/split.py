"""Which days train, which validate and which test, with a gap wherever two of them meet."""

import logging
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ..params import InputError, Params
from .sizes import SizeParams, SplitSize

SplitName = Literal["history", "train", "embargo", "purge", "validation", "test", "unused"]
SPLIT_NAMES: tuple[SplitName, ...] = (
    "train",
    "validation",
    "test",
)  # where two meet, the one named first gives the days

_logger = logging.getLogger(__name__)


class DateRange(Params):
    """Consecutive trading days of one role; its labels may use closes up to ``known_until``."""

    split: SplitName
    first: date
    last: date
    days: Annotated[int, Field(gt=0)]
    known_until: date | None = None  # null: as far as the data goes


class Split(Params):
    """Stretches in the order of time: a day lies in one of them, so parts cannot overlap."""

    name: str
    date_ranges: tuple[DateRange, ...]
    sizes: dict[SplitName, SplitSize] = Field(
        default_factory=dict
    )  # of train, validation and test; empty before counting
    needed: SizeParams | None = None

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        for earlier, later in pairwise(self.date_ranges):
            if later.first <= earlier.last:
                raise ValueError(f"{self.name}: {later.split} from {later.first} overlaps {earlier.split}")
        if any(stretch.last < stretch.first for stretch in self.date_ranges):
            raise ValueError(f"{self.name}: a stretch ends before it begins")
        return self

    def ranges_of(self, role: SplitName) -> tuple[DateRange, ...]:
        """List the stretches of one role."""
        return tuple(stretch for stretch in self.date_ranges if stretch.split == role)

    def shortages(self) -> dict[SplitName, str]:
        """Describe, for each part that has fewer days or stocks than recommended, what follows from that."""
        if self.needed is None:
            return {}
        described = {role: size.describe_shortage(role, self.needed) for role, size in self.sizes.items()}
        return {role: shortage for role, shortage in described.items() if shortage is not None}

    def keep_last_days(self, role: SplitName, days: np.ndarray, most: int) -> Self:
        """Leave a role its last days only; nobody has the others."""
        first = days[self.indices_of(role, days)[-most:]][0].item()
        kept = [stretch for stretch in self.date_ranges if stretch.split != role or stretch.last >= first]
        return self.model_copy(update={"date_ranges": tuple(_begin(each, role, first, days) for each in kept)})

    def indices_of(self, role: SplitName, days: np.ndarray) -> np.ndarray:
        """Find the places of a role's days among ``days``."""
        inside = np.zeros(len(days), dtype=bool)
        for stretch in self.ranges_of(role):
            inside |= (days >= np.datetime64(stretch.first)) & (days <= np.datetime64(stretch.last))
        return np.flatnonzero(inside)


def _begin(stretch: DateRange, role: SplitName, first: date, days: np.ndarray) -> DateRange:
    """Let a stretch of a role begin no earlier than a day."""
    if stretch.split != role or stretch.first >= first:
        return stretch
    inside = (days >= np.datetime64(first)) & (days <= np.datetime64(stretch.last))
    return stretch.model_copy(update={"first": first, "days": int(inside.sum())})


class Gap(Params):
    """Days kept free between two parts: ``purge`` because labels reach over them, ``embargo`` beyond that."""

    purge: Annotated[int, Field(ge=0)]
    embargo: Annotated[int, Field(ge=0)]


class SplitParams(Params):
    """Three parts by dates or, where none are given, by their shares of the days from ``min_date`` on.

    Where labels are fixed, the shares are of their days, and a ``min_date`` of ``labels`` is their first forecast's.
    """

    min_date: date | Literal["benchmark"] | None = None
    train_until: date | None = None
    validation_until: date | None = None
    test_until: date | None = None
    train: Annotated[float, Field(gt=0, lt=1)] = 0.65
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    embargo_days: Annotated[int, Field(ge=0)] = 20
    sizes: SizeParams = SizeParams()

    @model_validator(mode="after")
    def _leaves_days_to_test(self) -> Self:
        if (self.train_until is None) != (self.validation_until is None):
            raise ValueError("train_until and validation_until belong together")
        if self.train + self.validation >= 1:
            raise ValueError(f"train {self.train} and validation {self.validation} leave nothing to test")
        given = [day for day in (self.min_date, self.train_until, self.validation_until, self.test_until) if day]
        given = [day for day in given if isinstance(day, date)]
        if sorted(set(given)) != given:
            raise ValueError("min_date, train_until, validation_until and test_until must follow each other")
        return self

    def fill_dates(self, labels: np.ndarray, days: np.ndarray) -> Self:
        """Find the dates for the days of some labels: each is forecast on the trading day before it."""
        if not len(labels):
            return self
        asked = days[np.searchsorted(days, labels[labels > days[0]]) - 1]
        train = round(self.train * len(asked))
        places = {
            "train_until": train,
            "validation_until": train + round(self.validation * len(asked)),
            "test_until": 0,
        }
        found = {name: asked[place - 1].item() for name, place in places.items() if getattr(self, name) is None}
        first = {"min_date": asked[0].item()} if self.min_date == "benchmark" else {}
        return type(self).model_validate(self.model_dump() | found | first)


def split_days(days: np.ndarray, params: SplitParams, reach: int) -> Split:
    """Cut the trading days into train, validation and test for labels that look ``reach`` days ahead."""
    roles = np.full(len(days), "test", dtype="<U10")
    if params.min_date == "benchmark":
        raise InputError(
            "split.min_date is benchmark, and there are no benchmark returns: run with --env benchmark, or give a date."
        )
    if params.min_date:
        roles[days < np.datetime64(params.min_date)] = "history"
    if params.test_until:
        roles[days > np.datetime64(params.test_until)] = "unused"
    used = np.flatnonzero(roles == "test")
    if params.train_until and params.validation_until:
        roles[used[days[used] <= np.datetime64(params.validation_until)]] = "validation"
        roles[used[days[used] <= np.datetime64(params.train_until)]] = "train"
    else:
        train, validation = round(params.train * len(used)), round(params.validation * len(used))
        roles[used[:train]] = "train"
        roles[used[train : train + validation]] = "validation"
    return insert_gaps("split", days, roles, Gap(purge=reach, embargo=params.embargo_days))


def insert_gaps(name: str, days: np.ndarray, roles: np.ndarray, gap: Gap) -> Split:
    """Put the gap at every border between two parts; the part that matters less gives the days."""
    given = roles.astype("<U10")  # wide enough for every role
    for border in _borders(roles):
        earlier, later = str(roles[border - 1]), str(roles[border])
        if earlier not in SPLIT_NAMES or later not in SPLIT_NAMES:
            continue
        before = SPLIT_NAMES.index(earlier) < SPLIT_NAMES.index(later)
        for distance in range(gap.purge + gap.embargo):
            day = border - 1 - distance if before else border + distance
            if not 0 <= day < len(days) or roles[day] != (earlier if before else later):
                break
            if given[day] != "purge":
                given[day] = "purge" if distance < gap.purge else "embargo"
    split = Split(name=name, date_ranges=tuple(_stretches(days, given, roles)))
    _require_parts(split, roles, gap)
    return split


def _borders(roles: np.ndarray) -> np.ndarray:
    return np.flatnonzero(roles[1:] != roles[:-1]) + 1


def _stretches(days: np.ndarray, given: np.ndarray, roles: np.ndarray) -> list[DateRange]:
    """Name the stretches; a part's labels end before the next day that was meant for a part of more weight."""
    edges = [0, *_borders(given).tolist(), len(days)]
    stretches = []
    for start, end in pairwise(edges):
        role = str(given[start])
        above = list(SPLIT_NAMES[SPLIT_NAMES.index(role) + 1 :]) if role in SPLIT_NAMES else []
        weightier = np.flatnonzero(np.isin(roles[end:], above))
        known = days[end + weightier[0] - 1].item() if len(weightier) else None
        fields = {"split": role, "first": days[start].item(), "last": days[end - 1].item()}
        stretches.append(DateRange.model_validate(fields | {"days": end - start, "known_until": known}))
    return stretches


def _require_parts(split: Split, roles: np.ndarray, gap: Gap) -> None:
    for part in SPLIT_NAMES:
        if split.ranges_of(part):
            continue
        meant = int((roles == part).sum())
        why = (
            f"the gap of {gap.purge} purge and {gap.embargo} embargo days takes all {meant} of them"
            if meant
            else f"its dates or shares leave it none of the {len(roles)} days"
        )
        raise InputError(f"{split.name} has no {part} days: {why}. Change `split:` or `folds:` in conf/.")
    tested = sum(stretch.days for stretch in split.ranges_of("test"))
    if tested <= gap.purge:
        raise InputError(f"{split.name} tests {tested} days, too few for a label that looks {gap.purge} days ahead.")
    _logger.info("%s: %s", split.name, ", ".join(_told(stretch) for stretch in split.date_ranges))


def _told(stretch: DateRange) -> str:
    return f"{stretch.split} {stretch.days} days from {stretch.first}"


def count_sizes(split: Split, days: np.ndarray, stocks_per_day: np.ndarray, needed: SizeParams) -> Split:
    """Count each part's days and stocks; refuse too few for any score, and warn of fewer than recommended."""
    sizes = {}
    for part in SPLIT_NAMES:
        stocks = stocks_per_day[split.indices_of(part, days)]
        if not stocks.any():
            first, last = split.ranges_of(part)[0].first, split.ranges_of(part)[-1].last
            raise InputError(
                f"{split.name}: no stock is in the universe on any {part} day ({first} to {last}). "
                "Loosen `universe:` or move the days in conf/."
            )
        if len(stocks) < needed.minimum_days or stocks.max() < needed.minimum_stocks:
            raise InputError(
                f"{split.name}: {part} has {len(stocks)} days and at most {stocks.max()} stocks a day; scores are "
                f"undefined below {needed.minimum_days} days and {needed.minimum_stocks} stocks. Take more prices, or "
                "move the days (`split:`, `folds:`) or loosen `universe:` in conf/."
            )
        sizes[part] = SplitSize(days=len(stocks), stocks=int(np.median(stocks)))
    counted = split.model_copy(update={"sizes": sizes, "needed": needed})
    for shortage in counted.shortages().values():
        _logger.warning("%s, %s", split.name, shortage)
    return counted
