"""Parsing of dates and numbers in price files; unreadable cells are errors that show them."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Literal, Self

import polars as pl

from ..params import InputError, Params, TimeZone
from ..schema import DATE, iso_day

Unit = Literal["s", "ms", "us", "ns"]
# Instants from 1990 to 2100 are below these limits in each unit.
EPOCH_BELOW: dict[Unit, float] = {"s": 5e10, "ms": 5e13, "us": 5e16}
TIME = r"\d[T ]\d{1,2}:"
MIDNIGHT = r"\d[T ]0{1,2}:00(:00(\.0+)?)?$"
OFFSET = r"(Z|[+-]\d{2}:?\d{2})$"
UNKNOWN = ("", "NA", "N/A", "#N/A", "nan", "NaN", "null", "NULL", "None", "-")
EARLIEST = 3e8  # seconds: mid-1979; smaller numbers are not instants


class DateFormat(Params):
    """Format of dates; ISO text, dates and datetimes need none.

    ``text`` is a strptime format for other text. ``epoch_unit`` is the unit of integers; ``auto`` infers it from their
    size. With ``time_zone`` the day of an instant is its day in that zone; datetimes without a zone are then in UTC,
    unless all are midnights, which are days.
    """

    text: str | None = None
    epoch_unit: Unit | Literal["auto"] = "auto"
    time_zone: TimeZone | None = None


@dataclass(frozen=True)
class RowOrigin:
    """The file of each row of a table: the rows from ``starts[i]`` on come from ``files[i]``."""

    files: tuple[Path, ...]
    starts: tuple[int, ...]

    @classmethod
    def of(cls, file: Path) -> Self:
        """Return the origin of a table read from one file."""
        return cls((file,), (0,))

    def locate(self, row: int) -> tuple[Path, int]:
        """Return a row's file and its number in it, from 1."""
        index = bisect_right(self.starts, row) - 1
        return self.files[index], row - self.starts[index] + 1


def parse_dates(frame: pl.LazyFrame, formats: DateFormat, origin: RowOrigin) -> pl.LazyFrame:
    """Convert the column ``date`` from text, datetimes or numbers to Date."""
    dtype = frame.collect_schema()[DATE]
    if dtype == pl.Date:
        return frame
    if dtype == pl.String:
        parsed = _from_text(frame, formats)
    elif isinstance(dtype, pl.Datetime):
        parsed = _day(pl.col(DATE), formats) if dtype.time_zone else _naive_day(frame, pl.col(DATE), formats)
    elif dtype.is_numeric():
        parsed = _from_numbers(frame, pl.col(DATE), formats)
    else:
        raise InputError(f"{origin.files[0]}: the date column is {dtype}, not a date, text or number.")
    _require_parsed(frame, {DATE: parsed}, "a date", origin)
    return frame.with_columns(parsed.alias(DATE))


def are_midnights(dates: pl.Series) -> bool:
    """Return whether all datetimes without a zone are midnights."""
    if dates.dtype == pl.String:
        return not (dates.str.contains(TIME) & ~dates.str.strip_chars().str.contains(MIDNIGHT)).any()
    return isinstance(dates.dtype, pl.Datetime) and bool((dates.dt.time() == time(0)).all())


def parse_numbers(frame: pl.LazyFrame, columns: list[str], origin: RowOrigin) -> pl.LazyFrame:
    """Cast ``columns`` to Float64 with null for NaN; other text is an error that shows it."""
    schema = frame.collect_schema()
    text = {name: pl.col(name).cast(pl.String).str.strip_chars() for name in columns if not schema[name].is_numeric()}
    numbers = {name: text.get(name, pl.col(name)).cast(pl.Float64, strict=False) for name in columns}
    _require_parsed(frame, {name: numbers[name] for name in text}, "a number", origin)
    return frame.with_columns(number.fill_nan(None).alias(name) for name, number in numbers.items())


def strip_text(text: pl.Expr) -> pl.Expr:
    """Strip text; markers of an unknown value (NA, -, …) become null."""
    stripped = text.str.strip_chars()
    return pl.when(~stripped.is_in(UNKNOWN)).then(stripped)


def _from_text(frame: pl.LazyFrame, formats: DateFormat) -> pl.Expr:
    text = strip_text(pl.col(DATE))
    if formats.text is not None:
        return text.str.to_date(formats.text, strict=False)
    first = frame.select(text.drop_nulls().first()).collect().item()
    if first is not None and first.isdecimal():
        if len(first) == 8:  # 20240131
            return text.str.to_date("%Y%m%d", strict=False)
        return _from_numbers(frame, text.cast(pl.Int64, strict=False), formats)
    if formats.time_zone is not None and frame.select(text.str.contains(OFFSET).any()).collect().item():
        return _day(text.str.to_datetime(time_zone="UTC", strict=False), formats)
    if formats.time_zone is not None and frame.select(text.str.contains(TIME).any()).collect().item():
        return _naive_day(frame, text.str.to_datetime(time_unit="us", strict=False), formats)
    slashed = pl.when(text.str.contains(r"^\d{4}/")).then(text.str.to_date("%Y/%m/%d", strict=False))
    return pl.coalesce(iso_day(text), slashed)


def _from_numbers(frame: pl.LazyFrame, numbers: pl.Expr, formats: DateFormat) -> pl.Expr:
    if formats.epoch_unit != "auto":
        unit: Unit = formats.epoch_unit
    else:
        largest = frame.select(numbers.abs().max()).collect().item() or 0
        if 19_000_000 < largest < 22_000_000:  # 20240131 as a number
            return numbers.cast(pl.Int64).cast(pl.String).str.to_date("%Y%m%d", strict=False)
        if 0 < largest < EARLIEST:
            return pl.lit(None, pl.Date)  # a serial number of a spreadsheet, or not a date
        unit = next((name for name, limit in EPOCH_BELOW.items() if largest < limit), "ns")
    instant = pl.from_epoch(numbers.cast(pl.Int64, strict=False), time_unit=unit)
    return _day(instant.dt.replace_time_zone("UTC"), formats)


def _naive_day(frame: pl.LazyFrame, instant: pl.Expr, formats: DateFormat) -> pl.Expr:
    """Compute the day of datetimes without a zone: as written, or from UTC with ``time_zone``."""
    if formats.time_zone is None or frame.select((instant.dt.time() == time(0)).all()).collect().item():
        return instant.dt.date()
    return _day(instant.dt.replace_time_zone("UTC"), formats)


def _day(instant: pl.Expr, formats: DateFormat) -> pl.Expr:
    """Compute an instant's day, in ``time_zone`` where one is given."""
    return (instant if formats.time_zone is None else instant.dt.convert_time_zone(formats.time_zone)).dt.date()


def _require_parsed(frame: pl.LazyFrame, parsed: dict[str, pl.Expr], expected: str, origin: RowOrigin) -> None:
    """Refuse cells with a value that could not be parsed."""
    if not parsed:
        return
    more_nulls = [(cell.null_count() > pl.col(name).null_count()).alias(name) for name, cell in parsed.items()]
    candidates = frame.select(more_nulls).collect(engine="streaming").row(0, named=True)
    for name in (name for name, has_more_nulls in candidates.items() if has_more_nulls):
        written = strip_text(pl.col(name).cast(pl.String)).is_not_null()
        cells = frame.select(pl.col(name), (parsed[name].is_null() & written).alias("_unparsed")).with_row_index("row")
        bad = cells.filter("_unparsed").drop("_unparsed").collect()
        if bad.height:
            raise InputError(_describe_unparsed(bad, expected, origin))


def _describe_unparsed(bad: pl.DataFrame, expected: str, origin: RowOrigin) -> str:
    """Describe the cells of the first file: their number and the first three."""
    column = bad.columns[1]
    located = [(*origin.locate(row), value) for row, value in bad.iter_rows()]
    file = located[0][0]
    cells = [f"{value!r} in row {row}" for source, row, value in located if source == file]
    hint = " Set their format under `dates:` of the catalog entry." if column == DATE else ""
    return f"{file}, column {column!r}: {len(cells)} cell(s) are not {expected}: {', '.join(cells[:3])}.{hint}"
