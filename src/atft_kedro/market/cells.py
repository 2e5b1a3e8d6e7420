"""Reading dates and numbers as people write them; a cell that is neither is an error that shows it."""

from pathlib import Path
from typing import Literal
from zoneinfo import available_timezones

import polars as pl
from pydantic import field_validator

from ..params import InputError, Params
from ..schema import DATE

Unit = Literal["s", "ms", "us", "ns"]
EPOCH_BELOW: dict[Unit, float] = {
    "s": 5e10,
    "ms": 5e13,
    "us": 5e16,
}  # an instant of 1990 to 2100 shows its unit by its size
ISO_DATE = r"^\d{4}-\d{2}-\d{2}($|[T ])"
OFFSET = r"(Z|[+-]\d{2}:?\d{2})$"
UNKNOWN = ("", "NA", "N/A", "#N/A", "nan", "NaN", "null", "NULL", "None", "-")
EARLIEST = 3e8  # seconds: a smaller number is no instant after mid-1979


class DateFormat(Params):
    """How dates are written: ISO text, dates and datetimes need nothing.

    ``text`` is a strptime format for other text; ``epoch_unit`` reads whole numbers (guessed from their
    size when ``auto``); ``time_zone`` moves instants to the exchange's zone before their day is taken.
    """

    text: str | None = None
    epoch_unit: Unit | Literal["auto"] = "auto"
    time_zone: str | None = None

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError("no such time zone; they are called like America/New_York")
        return value


def parse_dates(frame: pl.LazyFrame, how: DateFormat, file: Path) -> pl.LazyFrame:
    """Turn the column ``date`` into a Date, whatever it was."""
    dtype = frame.collect_schema()[DATE]
    if dtype == pl.Date:
        return frame
    if dtype == pl.String:
        parsed = _from_text(frame, how)
    elif dtype.is_temporal():
        parsed = _day(pl.col(DATE), how, zoned=getattr(dtype, "time_zone", None) is not None)
    elif dtype.is_numeric():
        parsed = _from_numbers(frame, pl.col(DATE), how)
    else:
        raise InputError(f"{file}: the date column is {dtype}, which is no date, text or number.")
    _require_parsed(frame.select(pl.col(DATE), parsed.alias("_parsed")), "a date", file)
    return frame.with_columns(parsed.alias(DATE))


def parse_numbers(frame: pl.LazyFrame, columns: list[str], file: Path) -> pl.LazyFrame:
    """Turn ``columns`` into Float64; a text that is no number is an error that names it."""
    schema = frame.collect_schema()
    for name in (column for column in columns if not schema[column].is_numeric()):
        parsed = _known(pl.col(name).cast(pl.String)).cast(pl.Float64, strict=False)
        _require_parsed(frame.select(pl.col(name), parsed.alias("_parsed")), "a number", file)
    text = [_known(pl.col(name)) for name in columns if schema[name] == pl.String]
    return frame.with_columns(text).with_columns(pl.col(name).cast(pl.Float64) for name in columns)


def _known(text: pl.Expr) -> pl.Expr:
    """Make null what people write where they know nothing."""
    stripped = text.str.strip_chars()
    return pl.when(~stripped.is_in(UNKNOWN)).then(stripped)


def _from_text(frame: pl.LazyFrame, how: DateFormat) -> pl.Expr:
    text = _known(pl.col(DATE))
    if how.text is not None:
        return text.str.to_date(how.text, strict=False)
    first = frame.select(text.drop_nulls().first()).collect().item()
    if first is not None and first.isdecimal():
        if len(first) == 8:  # 20240131
            return text.str.to_date("%Y%m%d", strict=False)
        return _from_numbers(frame, text.cast(pl.Int64, strict=False), how)
    if how.time_zone is not None and frame.select(text.str.contains(OFFSET).any()).collect().item():
        instant = text.str.to_datetime(time_zone="UTC", strict=False)
        return _day(instant, how, zoned=True)
    iso = text.str.contains(ISO_DATE)  # the day as written, whatever time or zone follows it
    return (
        pl.when(iso)
        .then(text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False))
        .when(text.str.contains(r"^\d{4}/"))
        .then(text.str.to_date("%Y/%m/%d", strict=False))
    )


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
    instant = pl.from_epoch(numbers.cast(pl.Int64), time_unit=unit)
    return _day(instant.dt.replace_time_zone("UTC") if how.time_zone else instant, how, zoned=True)


def _day(instant: pl.Expr, how: DateFormat, zoned: bool) -> pl.Expr:
    """Take an instant's day, in ``time_zone`` where one is asked for."""
    if how.time_zone is None or not zoned:
        return instant.dt.date()
    return instant.dt.convert_time_zone(how.time_zone).dt.date()


def _require_parsed(pairs: pl.LazyFrame, what: str, file: Path) -> None:
    """Refuse cells that hold something and could not be read."""
    column = pairs.collect_schema().names()[0]
    written = _known(pl.col(column).cast(pl.String)).is_not_null()
    lost = pl.col("_parsed").is_null() & written
    bad = pairs.with_row_index("row").filter(lost).collect()
    if bad.height:
        shown = ", ".join(f"{value!r} in row {row + 1}" for row, value in bad.select("row", column).head(3).iter_rows())
        hint = " Say how they are written in the catalog entry's `dates:`." if column == DATE else ""
        raise InputError(f"{file}, column {column!r}: {bad.height} cell(s) are not {what}: {shown}.{hint}")
