"""Reading dates and numbers as people write them; a cell that is neither is an error that shows it."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Literal, Self

import polars as pl

from ..params import InputError, Params, TimeZone
from ..schema import DATE, iso_day

Unit = Literal["s", "ms", "us", "ns"]
EPOCH_BELOW: dict[Unit, float] = {
    "s": 5e10,
    "ms": 5e13,
    "us": 5e16,
}  # an instant of 1990 to 2100 shows its unit by its size
TIME = r"\d[T ]\d{1,2}:"
MIDNIGHT = r"\d[T ]0{1,2}:00(:00(\.0+)?)?$"
OFFSET = r"(Z|[+-]\d{2}:?\d{2})$"
UNKNOWN = ("", "NA", "N/A", "#N/A", "nan", "NaN", "null", "NULL", "None", "-")
EARLIEST = 3e8  # seconds: a smaller number is no instant after mid-1979


class DateFormat(Params):
    """How dates are written: ISO text, dates and datetimes need nothing.

    ``text`` is a strptime format for other text; ``epoch_unit`` reads whole numbers (guessed from their
    size when ``auto``); ``time_zone`` moves instants to the exchange's zone before their day is taken. Datetimes
    without a zone of their own are then instants in UTC, unless all are midnights: those are days already.
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
        """Use all rows of one file."""
        return cls((file,), (0,))

    def locate(self, row: int) -> tuple[Path, int]:
        """Find a row's file and its number there, counted from 1."""
        place = bisect_right(self.starts, row) - 1
        return self.files[place], row - self.starts[place] + 1


def parse_dates(frame: pl.LazyFrame, how: DateFormat, origin: RowOrigin) -> pl.LazyFrame:
    """Turn the column ``date`` into a Date, whatever it was."""
    dtype = frame.collect_schema()[DATE]
    if dtype == pl.Date:
        return frame
    if dtype == pl.String:
        parsed = _from_text(frame, how)
    elif isinstance(dtype, pl.Datetime):
        parsed = _day(pl.col(DATE), how) if dtype.time_zone else _naive_day(frame, pl.col(DATE), how)
    elif dtype.is_numeric():
        parsed = _from_numbers(frame, pl.col(DATE), how)
    else:
        raise InputError(f"{origin.files[0]}: the date column is {dtype}, which is no date, text or number.")
    _require_parsed(frame, {DATE: parsed}, "a date", origin)
    return frame.with_columns(parsed.alias(DATE))


def are_midnights(dates: pl.Series) -> bool:
    """Return whether all datetimes without a zone are midnights."""
    if dates.dtype == pl.String:
        return not (dates.str.contains(TIME) & ~dates.str.strip_chars().str.contains(MIDNIGHT)).any()
    return isinstance(dates.dtype, pl.Datetime) and bool((dates.dt.time() == time(0)).all())


def parse_numbers(frame: pl.LazyFrame, columns: list[str], origin: RowOrigin) -> pl.LazyFrame:
    """Turn ``columns`` into Float64, NaN into null; a text that is no number is an error that names it."""
    schema = frame.collect_schema()
    text = {name: pl.col(name).cast(pl.String).str.strip_chars() for name in columns if not schema[name].is_numeric()}
    numbers = {name: text.get(name, pl.col(name)).cast(pl.Float64, strict=False) for name in columns}
    _require_parsed(frame, {name: numbers[name] for name in text}, "a number", origin)
    return frame.with_columns(number.fill_nan(None).alias(name) for name, number in numbers.items())


def known(text: pl.Expr) -> pl.Expr:
    """Make null what people write for an unknown value."""
    stripped = text.str.strip_chars()
    return pl.when(~stripped.is_in(UNKNOWN)).then(stripped)


def _from_text(frame: pl.LazyFrame, how: DateFormat) -> pl.Expr:
    text = known(pl.col(DATE))
    if how.text is not None:
        return text.str.to_date(how.text, strict=False)
    first = frame.select(text.drop_nulls().first()).collect().item()
    if first is not None and first.isdecimal():
        if len(first) == 8:  # 20240131
            return text.str.to_date("%Y%m%d", strict=False)
        return _from_numbers(frame, text.cast(pl.Int64, strict=False), how)
    if how.time_zone is not None and frame.select(text.str.contains(OFFSET).any()).collect().item():
        return _day(text.str.to_datetime(time_zone="UTC", strict=False), how)
    if how.time_zone is not None and frame.select(text.str.contains(TIME).any()).collect().item():
        return _naive_day(frame, text.str.to_datetime(time_unit="us", strict=False), how)
    slashed = pl.when(text.str.contains(r"^\d{4}/")).then(text.str.to_date("%Y/%m/%d", strict=False))
    return pl.coalesce(iso_day(text), slashed)


def _from_numbers(frame: pl.LazyFrame, numbers: pl.Expr, how: DateFormat) -> pl.Expr:
    if how.epoch_unit != "auto":
        unit: Unit = how.epoch_unit
    else:
        largest = frame.select(numbers.abs().max()).collect().item() or 0
        if 19_000_000 < largest < 22_000_000:  # 20240131 as a number
            return numbers.cast(pl.Int64).cast(pl.String).str.to_date("%Y%m%d", strict=False)
        if 0 < largest < EARLIEST:
            return pl.lit(None, pl.Date)  # a serial number of a spreadsheet, or no date at all
        unit = next((name for name, limit in EPOCH_BELOW.items() if largest < limit), "ns")
    instant = pl.from_epoch(numbers.cast(pl.Int64, strict=False), time_unit=unit)
    return _day(instant.dt.replace_time_zone("UTC"), how)


def _naive_day(frame: pl.LazyFrame, instant: pl.Expr, how: DateFormat) -> pl.Expr:
    """Compute the day of datetimes without a zone: as written, or as UTC where ``time_zone`` is given."""
    if how.time_zone is None or frame.select((instant.dt.time() == time(0)).all()).collect().item():
        return instant.dt.date()
    return _day(instant.dt.replace_time_zone("UTC"), how)


def _day(instant: pl.Expr, how: DateFormat) -> pl.Expr:
    """Compute an instant's day, in ``time_zone`` where one is given."""
    return (instant if how.time_zone is None else instant.dt.convert_time_zone(how.time_zone)).dt.date()


def _require_parsed(frame: pl.LazyFrame, parsed: dict[str, pl.Expr], what: str, origin: RowOrigin) -> None:
    """Refuse cells that hold something and could not be read."""
    if not parsed:
        return
    lost = [(cell.null_count() > pl.col(name).null_count()).alias(name) for name, cell in parsed.items()]
    suspects = frame.select(lost).collect(engine="streaming").row(0, named=True)
    for name in (name for name, has_lost in suspects.items() if has_lost):
        written = known(pl.col(name).cast(pl.String)).is_not_null()
        cells = frame.select(pl.col(name), (parsed[name].is_null() & written).alias("_lost")).with_row_index("row")
        bad = cells.filter("_lost").drop("_lost").collect()
        if bad.height:
            raise InputError(_describe_lost(bad, what, origin))


def _describe_lost(bad: pl.DataFrame, what: str, origin: RowOrigin) -> str:
    """Name the first file with such cells, how many it has, and the first three."""
    column = bad.columns[1]
    places = [(*origin.locate(row), value) for row, value in bad.iter_rows()]
    file = places[0][0]
    cells = [f"{value!r} in row {row}" for where, row, value in places if where == file]
    hint = " Write in the catalog entry's `dates:` how they are written." if column == DATE else ""
    return f"{file}, column {column!r}: {len(cells)} cell(s) are not {what}: {', '.join(cells[:3])}.{hint}"
