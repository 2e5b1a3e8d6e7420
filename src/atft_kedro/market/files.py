"""Reading people's price files: CSV or parquet, one file or a folder, long or wide, as they have them."""

from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field

from ..params import InputError, Params
from ..progress import tracked
from ..schema import CLOSE, CODE, DATE, KEY, PRICES, QUOTES, SECTOR, VOLUME, VWAP
from .cells import DateFormat, parse_dates, parse_numbers
from .tables import scan_table, stem, table_files

ADJUSTED_CLOSE = "adjusted_close"
FIELDS = (*QUOTES, VWAP, ADJUSTED_CLOSE)
Layout = Literal["auto", "long", "per_stock", "wide"]


class PriceFileParams(Params):
    """How people's files are laid out and what they call their columns.

    ``columns`` maps our names (date, code, open, high, low, close, volume; optional: sector, vwap,
    adjusted_close) to theirs. A name that is not mapped is looked for as it is, whatever its case.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    layout: Layout = "auto"
    dates: DateFormat = DateFormat()


def read_prices(path: Path, params: PriceFileParams) -> pl.LazyFrame:
    """Read the prices at ``path`` into our columns: date, code, sector, open … volume, vwap.

    A folder holds one file per stock (the file's name is the code where no column is), or one wide file
    per field (``close.csv``, ``volume.csv``, each with a column per stock).
    """
    files = table_files(path)
    _require_known(params.columns)
    if _is_wide(files, params):
        frame = _read_wide(files, params)
    else:
        read = [_read_long(file, params, named_by_file=path.is_dir()) for file in tracked(files, "files", len(files))]
        _require_same_columns(files, read)
        frame = pl.concat(read)
    return _complete(_adjust(frame))


def _is_wide(files: list[Path], params: PriceFileParams) -> bool:
    if params.layout != "auto":
        return params.layout == "wide"
    return not _theirs(scan_table(files[0]), params, files[0]).keys() - {DATE}


def _theirs(frame: pl.LazyFrame, params: PriceFileParams, file: Path) -> dict[str, str]:
    """Find which of the file's columns is which of ours."""
    there = frame.collect_schema().names()
    plain = {_plain(name): name for name in there}
    if "adj_close" in plain and plain["adj_close"] not in params.columns.values():
        plain.setdefault(ADJUSTED_CLOSE, plain["adj_close"])
    found = {ours: plain[ours] for ours in (*KEY, SECTOR, *FIELDS) if ours in plain} | params.columns
    claimed = [theirs for theirs in found.values() if list(found.values()).count(theirs) > 1]
    alike = [name for name in plain.values() if sum(_plain(other) == _plain(name) for other in there) > 1]
    if claimed or any(name in alike for name in found.values()):
        raise InputError(
            f"{file}: several columns could be {(claimed or alike)[0]!r}: map each of ours to one of its own."
        )
    absent = {ours: theirs for ours, theirs in params.columns.items() if theirs not in there}
    if absent:
        named = ", ".join(f"{ours} → {theirs!r}" for ours, theirs in absent.items())
        raise InputError(
            f"{file}: the column mapping names what is not there: {named}. The file has {', '.join(there)}."
        )
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _read_long(file: Path, params: PriceFileParams, named_by_file: bool) -> pl.LazyFrame:
    frame = scan_table(file)
    names = _theirs(frame, params, file)
    if CODE not in names and (named_by_file or params.layout == "per_stock"):
        frame = frame.with_columns(pl.lit(stem(file)).alias(CODE))
        names[CODE] = CODE
    missing = [ours for ours in (*KEY, CLOSE) if ours not in names]
    if missing:
        raise InputError(
            f"{file}: no column for {', '.join(missing)} among {', '.join(frame.collect_schema().names())}. "
            "Name them in the catalog entry's `columns:`, for example `columns: {close: Last}`, or set `layout: wide` "
            "if the file has a column per stock."
        )
    frame = frame.select(pl.col(names[ours]).alias(ours) for ours in (*KEY, SECTOR, *FIELDS) if ours in names)
    numbers = [name for name in FIELDS if name in names]
    return parse_numbers(parse_dates(frame, params.dates, file), numbers, file).with_columns(
        pl.col(name).cast(pl.String).str.strip_chars().replace("", None) for name in (CODE, SECTOR) if name in names
    )


def _read_wide(files: list[Path], params: PriceFileParams) -> pl.LazyFrame:
    """Join one wide table per field; a single file holds ``params.wide_field``."""
    by_field = {stem(file).lower(): file for file in files}
    if len(files) == 1:
        by_field = {CLOSE: files[0]}
    unknown = sorted(set(by_field) - set(FIELDS))
    if unknown or CLOSE not in by_field:
        raise InputError(
            f"{files[0].parent}: these look like wide files (a column per stock), one per field, so their names "
            f"must be among {', '.join(FIELDS)} and close is needed; found {', '.join(sorted(by_field))}. "
            "For long files, map your close price in the catalog entry's `columns:`."
        )
    joined = _read_one_wide(by_field.pop(CLOSE), CLOSE, params)
    for field, file in by_field.items():
        joined = joined.join(_read_one_wide(file, field, params), on=KEY, how="full", coalesce=True)
    return joined


def _read_one_wide(file: Path, field: str, params: PriceFileParams) -> pl.LazyFrame:
    frame = scan_table(file)
    names = frame.collect_schema().names()
    day = params.columns.get(DATE) or next((name for name in names if name.lower() == DATE), names[0])
    frame = parse_dates(frame.rename({day: DATE}), params.dates, file)
    stocks = [name for name in names if name != day]
    return (
        parse_numbers(frame, stocks, file).unpivot(index=DATE, variable_name=CODE, value_name=field).drop_nulls(field)
    )


def _complete(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Put our columns in order, null where the files have none."""
    there = frame.collect_schema().names()
    kept = [SECTOR, *QUOTES, VWAP]
    nulls = [
        pl.lit(None, pl.String if name == SECTOR else pl.Float64).alias(name) for name in kept if name not in there
    ]
    return frame.with_columns(nulls).select(*KEY, *kept)


def _adjust(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Scale a row's prices by adjusted close / close; a row without its adjusted close has no price."""
    if ADJUSTED_CLOSE not in frame.collect_schema():
        return frame
    factor = pl.col(ADJUSTED_CLOSE) / pl.col(CLOSE)
    there = frame.collect_schema()
    prices = [pl.col(name) * factor for name in (*PRICES, VWAP) if name in there]
    volume = [pl.col(VOLUME) / factor] if VOLUME in there else []  # price times volume stays what was traded
    return frame.with_columns(*prices, *volume).drop(ADJUSTED_CLOSE)


def _require_known(columns: dict[str, str]) -> None:
    unknown = sorted(set(columns) - {*KEY, SECTOR, *FIELDS})
    if unknown:
        raise InputError(
            f"`columns:` maps {unknown}, which are no columns of ours: {', '.join((*KEY, SECTOR, *FIELDS))}."
        )


def _require_same_columns(files: list[Path], read: list[pl.LazyFrame]) -> None:
    first = read[0].collect_schema()
    for file, frame in zip(files, read, strict=True):
        schema = frame.collect_schema()
        if set(schema.names()) != set(first.names()):
            odd = sorted(set(schema.names()) ^ set(first.names()))
            raise InputError(
                f"{file} and {files[0]} do not have the same columns: {', '.join(odd)} is only in one of them."
            )
