"""Wide price files: a row per day, a column per stock, a file per field."""

import logging
import re
from pathlib import Path

import polars as pl

from ..params import InputError, list_names
from ..schema import CLOSE, CODE, DATE, KEY, code_text
from .columns import (
    FIELDS,
    SYNONYMS,
    PriceFileParams,
    advise_mapping,
    date_columns,
    find_columns,
    plain_name,
    read_sample,
    recognise_columns,
    text_columns,
)
from .parse_cells import RowOrigin, parse_dates, parse_numbers
from .table_files import file_stem, scan_table

CHECKED_FILES = 3  # files of a folder that are checked; a single one may be of a stock without trades
INDEX = r"index|level_\d+|unnamed:_\d+|__index_level_\d+__|"

_logger = logging.getLogger(__name__)


def is_wide(files: list[Path], params: PriceFileParams) -> bool:
    """Check by the columns whether files are wide; refuse unmapped files of one stock."""
    if params.layout != "auto":
        return params.layout == "wide"
    frame = scan_table(files[0])
    if find_columns(frame.collect_schema().names(), params, files[0]).keys() - {DATE}:
        return False
    for file in files[:CHECKED_FILES]:
        _require_stocks(file, params)
    return True


def read_wide(files: list[Path], params: PriceFileParams) -> pl.LazyFrame:
    """Read and join one wide table per field; a single file is the closes."""
    by_field = {file_stem(file).lower(): file for file in files}
    if len(files) == 1:
        by_field = {CLOSE: files[0]}
    unknown = sorted(set(by_field) - {*FIELDS, *params.extra})
    if unknown or CLOSE not in by_field:
        raise InputError(
            f"{files[0].parent}: these look like wide files (a column per stock), one per field, so their names must "
            f"be among {', '.join((*FIELDS, *params.extra))} and close is needed; found "
            f"{list_names(sorted(by_field))}. For files of one stock each: "
            f"{advise_mapping(read_sample(scan_table(files[0])))}"
        )
    joined = _read_field(by_field.pop(CLOSE), CLOSE, params)
    for field, file in by_field.items():
        joined = joined.join(_read_field(file, field, params), on=KEY, how="full", coalesce=True)
    return joined


def _read_field(file: Path, field: str, params: PriceFileParams) -> pl.LazyFrame:
    frame = scan_table(file)
    day, index, stocks = _classify_columns(file, frame, params)
    if index:
        _logger.warning("prices: %s: %r is a row index and not a stock", file, index[0])
    frame = parse_dates(frame.rename({day: DATE}), params.dates, RowOrigin.of(file))
    numbers = parse_numbers(frame, stocks, RowOrigin.of(file))
    long = numbers.unpivot(stocks, index=DATE, variable_name=CODE, value_name=field)
    return long.drop_nulls(field).with_columns(code_text(pl.col(CODE)))


def _classify_columns(file: Path, frame: pl.LazyFrame, params: PriceFileParams) -> tuple[str, list[str], list[str]]:
    """Return the date column, index columns written by pandas, and the stocks."""
    names = frame.collect_schema().names()
    sample = read_sample(frame)
    day = _find_day(file, names, sample, params)
    index = [name for name in sample.columns if name != day and _is_index(sample[name])]
    return day, index, [name for name in names if name not in {day, *index}]


def _find_day(file: Path, names: list[str], sample: pl.DataFrame, params: PriceFileParams) -> str:
    """Find the date column: the mapped one, one named date, one with dates, or the first."""
    mapped = [find_columns(names, params, file)[DATE]] if DATE in params.columns else []
    named = mapped or [name for name in names if plain_name(name) == DATE]
    with_dates = [] if named else date_columns(sample)
    if named or with_dates:
        return (named or with_dates)[0]
    day = names[0]
    try:
        parse_dates(sample.lazy().select(pl.col(day).alias(DATE)), params.dates, RowOrigin.of(file))
    except InputError as error:
        raise InputError(
            f"{file}: no column is named date or contains dates; the first one, {day!r}, contains {sample[day][0]!r}. "
            "Map the column of dates in the catalog entry `prices`: columns: {date: …}"
        ) from error
    return day


def _is_index(column: pl.Series) -> bool:
    """Check whether a column is an index written by pandas: by its name and integer values."""
    if not re.fullmatch(INDEX, plain_name(column.name)):
        return False
    if column.dtype != pl.String and not column.dtype.is_numeric():
        return True
    return bool((column.cast(pl.Float64, strict=False) % 1 == 0).all())


def _require_stocks(file: Path, params: PriceFileParams) -> None:
    """Refuse columns that look like fields of one stock or contain text."""
    frame = scan_table(file)
    sample = read_sample(frame)
    stocks = _classify_columns(file, frame, params)[2]
    fields = [name for name in stocks if plain_name(name) in SYNONYMS]
    text = [name for name in text_columns(sample) if name in stocks]
    if recognise_columns(sample):
        reason = "four columns move like open, high, low and close"
    elif fields:
        reason = f"{fields[0]!r} is the name of a price field"
    elif text:
        reason = f"{text[0]!r} contains text such as {sample[text[0]].drop_nulls()[0]!r}"
    else:
        return
    raise InputError(
        f"{file}: {reason}, so the columns {list_names(frame.collect_schema())} are not one per stock. "
        f"{advise_mapping(sample)}. If each column is a stock, write `layout: wide` in the same entry."
    )
