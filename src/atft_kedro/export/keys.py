"""Dates and codes of observations, as people hand them over."""

import polars as pl

from ..params import InputError
from ..schema import CODE, DATE, code_text, iso_day


def read_keys(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Turn dates into a ``Date`` column and codes into text; refuse rows without them.

    Dates are dates, timestamps or ISO text; codes are text or numbers, as in the ML dataset.
    """
    schema = frame.collect_schema()
    read = [_read_date(schema[DATE]), _read_code(schema[CODE])]
    keys = frame.select(*read, written=pl.col(DATE)).collect()
    unread = keys.filter(pl.col(DATE).is_null() & pl.col("written").is_not_null())
    if len(unread):
        raise InputError(
            f"The observations' column {DATE!r} holds {len(unread)} value(s) that are no date, the first is "
            f"{unread['written'][0]!r}: write dates as 2024-01-31."
        )
    for name in (DATE, CODE):
        if missing := keys[name].null_count():
            place = keys[name].is_null().arg_true()[0]
            raise InputError(
                f"The observations' column {name!r} is empty in {missing} row(s), the first is row {place + 1} "
                f"({keys[place, DATE]}, {keys[place, CODE]}): fill or remove them. A ticker 'NA' becomes empty where "
                "pandas reads a CSV file; read it with keep_default_na=False, or send JSON."
            )
    return frame if schema[DATE] == pl.Date and schema[CODE] == pl.String else frame.with_columns(read)


def _read_date(dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Date:
        return pl.col(DATE)
    if isinstance(dtype, pl.Datetime):
        return pl.col(DATE).dt.date()
    if dtype == pl.String:
        return iso_day(pl.col(DATE).str.strip_chars()).alias(DATE)
    raise InputError(f"The observations' column {DATE!r} is {dtype}, no date: convert it to dates or ISO text.")


def _read_code(dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.String:
        return pl.col(CODE)
    if dtype.is_numeric() or isinstance(dtype, pl.Categorical | pl.Enum):
        return code_text(pl.col(CODE)).alias(CODE)
    raise InputError(f"The observations' column {CODE!r} is {dtype}, neither text nor numbers: convert it.")
