"""Test the store of raw days: days are added once and never changed; corrections are reported."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from math import inf, prod
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_kedro.market.price_files import apply_adjustment_factors
from atft_kedro.market.raw_days import SCHEMA, RawDays
from atft_kedro.params import InputError

DAYS = [date(2024, 3, day) for day in (1, 4, 5, 6)]


@dataclass
class Source:
    """Closes and adjustment factors by day and code; the days that were read."""

    rows: dict[date, dict[str, tuple[float, float]]]
    read: list[date] = field(default_factory=list)

    def list_days(self) -> Sequence[date]:
        return sorted(self.rows)

    def read_day(self, day: date, stored: pl.DataFrame) -> pl.DataFrame:
        self.read.append(day)
        rows = [
            {"date": day, "code": code, "close": c, "adjustment_factor": f} for code, (c, f) in self.rows[day].items()
        ]
        return pl.DataFrame(rows, SCHEMA)


def two_stocks() -> Source:
    return Source({day: {"A": (10.0 + number, 1.0), "B": (20.0, 1.0)} for number, day in enumerate(DAYS)})


def update(days: RawDays, source: Source, recheck_days: int = 0) -> list[date]:
    source.read.clear()
    return days.update(source, recheck_days)


def test_only_missing_days_are_read(tmp_path: Path) -> None:
    days, source = RawDays(tmp_path), two_stocks()
    newest, gap = source.rows.pop(DAYS[3]), source.rows.pop(DAYS[1])
    assert update(days, source) == [DAYS[0], DAYS[2]]
    source.rows |= {DAYS[3]: newest, DAYS[1]: gap}

    assert update(days, source, recheck_days=1) == [DAYS[1], DAYS[3]]

    assert source.read == [DAYS[2], DAYS[1], DAYS[3]]
    assert days.list_days() == DAYS


def test_a_correction_is_reported_and_used_only_if_the_stored_file_is_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    days, source = RawDays(tmp_path), two_stocks()
    update(days, source)
    stored = {file: file.read_bytes() for file in days.days_folder.iterdir()}
    source.rows[DAYS[2]] = {"A": (12.5, 1.0), "C": (1.0, 1.0)}
    source.rows[DAYS[0]]["A"] = (99.0, 1.0)  # not among the days that are read again

    caplog.set_level(logging.WARNING)
    caplog.clear()
    assert update(days, source, recheck_days=3) == []

    assert sorted(source.read) == DAYS[1:]
    (warning,) = caplog.messages
    assert "corrected 2024-03-05: A close 12.0 → 12.5; B date 2024-03-05 → None; B close 2" in warning
    file = days.days_folder / "2024-03-05.parquet"
    assert warning.endswith(f"delete {file}")
    assert {file: file.read_bytes() for file in days.days_folder.iterdir()} == stored
    file.unlink()
    caplog.clear()
    update(days, source, recheck_days=2)
    assert not caplog.messages
    assert days.load().collect().filter(date=DAYS[2])["close"].to_list() == [12.5, 1.0]


def test_a_day_that_the_source_does_not_have_yet_is_read_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    days, source = RawDays(tmp_path), two_stocks()
    rows, source.rows[DAYS[3]] = source.rows[DAYS[3]], {}
    assert update(days, source) == DAYS[:3]
    assert "no prices yet of 2024-03-06" in caplog.text

    source.rows[DAYS[3]] = rows

    assert update(days, source) == DAYS[3:]


@pytest.mark.parametrize("factor", [0.0, -1.0, inf])
def test_a_day_with_an_impossible_factor_is_not_stored(factor: float, tmp_path: Path) -> None:
    source = two_stocks()
    source.rows[DAYS[0]]["B"] = (20.0, factor)

    with pytest.raises(InputError, match="2024-03-01 are wrong: the row of B has an adjustment factor"):
        update(RawDays(tmp_path), source)

    assert RawDays(tmp_path).list_days() == []


def test_a_store_without_days_is_named(tmp_path: Path) -> None:
    days = RawDays(tmp_path)

    with pytest.raises(InputError, match="has no prices: `kedro run` adds"):
        days.load()
    update(days, two_stocks())
    with pytest.raises(InputError, match="has no prices until 2024-02-29"):
        RawDays(tmp_path, date(2024, 2, 29)).load()


FACTORS = st.lists(st.sampled_from([1.0, 0.5, 0.1, 3.0, None]), min_size=1, max_size=9)


@settings(max_examples=50, deadline=None)
@given(factors=FACTORS, known=st.integers(1, 9))
def test_prices_are_multiplied_by_the_later_factors_known_on_a_day(factors: list[float | None], known: int) -> None:
    table = pl.DataFrame(
        {
            "date": [date(2024, 1, 1 + number) for number in range(len(factors))],
            "code": "A",
            "close": [100.0 + number for number in range(len(factors))],
            "volume": 8.0,
            "adjustment_factor": pl.Series(factors, dtype=pl.Float64),
        }
    )
    other = table.with_columns(pl.lit("B").alias("code"), pl.lit(1.0).alias("adjustment_factor"))
    mixed = pl.concat([table.head(known), other]).sample(fraction=1, shuffle=True, seed=known)

    adjusted = apply_adjustment_factors(mixed.lazy()).collect().filter(code="A").sort("date")

    numbers = [1.0 if factor is None else factor for factor in factors[:known]]
    later = [prod(numbers[index + 1 :]) for index in range(len(numbers))]
    closes = [(100.0 + index) * factor for index, factor in enumerate(later)]
    assert adjusted["close"].to_list() == pytest.approx(closes)
    assert adjusted["volume"].to_list() == pytest.approx([8.0 / factor for factor in later])
