"""Price files of users: CSV or parquet, one file or a folder, long or wide."""

import itertools
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from ..params import InputError, list_names
from ..progress import track_progress
from ..schema import CLOSE, CODE, DATE, KEY, PRICES, QUOTES, SECTOR, VOLUME, VWAP, code_text
from .columns import (
    ADJUSTED_CLOSE,
    ADJUSTMENT_FACTOR,
    FIELDS,
    PriceFileParams,
    advise_mapping,
    find_columns,
    read_sample,
    require_known,
)
from .parse_cells import RowOrigin, are_midnights, parse_dates, parse_numbers
from .table_files import file_stem, list_table_files, load_table, scan_table
from .wide_files import is_wide, read_wide

MIN_BATCH_BYTES = 32_000_000  # a batch ends when its files reach this size


def read_prices(path: Path, params: PriceFileParams) -> pl.LazyFrame:
    """Read the prices at ``path``: date, code, sector, OHLC, volume, vwap and extra columns.

    A folder has one file per stock (without a code column the file's name is the code), or one wide file per field
    (``close.csv``, ``volume.csv``, with a column per stock).
    """
    return _add_missing_columns(apply_adjustment_factors(_apply_adjusted_close(read_unadjusted_prices(path, params))))


def read_unadjusted_prices(path: Path, params: PriceFileParams) -> pl.LazyFrame:
    """Read the columns that the files have, as they are."""
    files = list_table_files(path)
    require_known(params)
    if is_wide(files, params):
        return read_wide(files, params)
    if path.is_dir():
        return pl.concat(_read_folder(files, params)).lazy()
    return _read_file(path, params)


def _read_file(file: Path, params: PriceFileParams) -> pl.LazyFrame:
    frame = scan_table(file)
    if params.layout == "per_stock" and CODE not in find_columns(frame.collect_schema().names(), params, file):
        frame = frame.with_columns(pl.lit(file_stem(file)).alias(CODE))
    return _read_long(frame, RowOrigin.of(file), params)


def _read_folder(files: list[Path], params: PriceFileParams) -> Iterator[pl.DataFrame]:
    """Read one file per stock in batches.

    The time of one Polars query grows with the square of the number of files.
    """
    batches = list(_cut_into_batches(files))
    reference: tuple[Path, list[str]] | None = None  # the first file and its columns
    with ThreadPoolExecutor() as pool:
        for batch in track_progress(batches, "batches of price files"):
            tables = dict(zip(batch, pool.map(load_table, batch), strict=True))
            for group in _group_by_format(tables, params):
                prices = _read_group(group, params)
                file = next(iter(group))
                reference_file, columns = reference = reference or (file, prices.columns)
                _require_same_columns(reference_file, columns, file, prices.columns)
                yield prices.select(columns)


def _cut_into_batches(files: list[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.stat().st_size
        if size >= MIN_BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _group_by_format(tables: dict[Path, pl.DataFrame], params: PriceFileParams) -> Iterable[dict[Path, pl.DataFrame]]:
    """Group tables with equal columns, types and date patterns (each digit replaced by 0).

    If a time zone is configured, tables whose times are all 00:00 form their own groups: they contain dates, not
    times.
    """
    groups: dict[object, dict[Path, pl.DataFrame]] = {}
    for file, table in tables.items():
        date = find_columns(table.columns, params, file).get(DATE)
        pattern = "" if date is None else re.sub(r"\d", "0", str(table[date].drop_nulls().first()))
        are_days = date is not None and params.dates.time_zone is not None and are_midnights(table[date])
        groups.setdefault((tuple(table.schema.items()), pattern, are_days), {})[file] = table
    return groups.values()


def _read_group(tables: dict[Path, pl.DataFrame], params: PriceFileParams) -> pl.DataFrame:
    """Concatenate tables of one format and parse them.

    Without a code column the file's name is the code.
    """
    files = tuple(tables)
    starts = itertools.accumulate((table.height for table in tables.values()), initial=0)
    if CODE not in find_columns(tables[files[0]].columns, params, files[0]):
        tables = {file: table.with_columns(pl.lit(file_stem(file)).alias(CODE)) for file, table in tables.items()}
    frame = pl.concat(tables.values()).lazy()
    return _read_long(frame, RowOrigin(files, tuple(starts)[:-1]), params).collect()


def _read_long(frame: pl.LazyFrame, origin: RowOrigin, params: PriceFileParams) -> pl.LazyFrame:
    file = origin.files[0]
    names = find_columns(frame.collect_schema().names(), params, file)
    missing = [name for name in (*KEY, CLOSE) if name not in names]
    if missing:
        raise InputError(
            f"{file}: no column for {', '.join(missing)} among {list_names(frame.collect_schema().names())}. "
            f"{advise_mapping(read_sample(frame))}. If the file has a column per stock, write "
            "`layout: wide` in the same entry."
        )
    frame = frame.select(
        pl.col(names[name]).alias(name) for name in (*KEY, SECTOR, *FIELDS, *params.extra) if name in names
    )
    numbers = [name for name in (*FIELDS, *params.extra) if name in names]
    texts = [name for name in (CODE, SECTOR) if name in names]
    parsed = parse_numbers(parse_dates(frame, params.dates, origin), numbers, origin)
    return parsed.with_columns(code_text(pl.col(name)) for name in texts)


def _add_missing_columns(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add missing columns as null, and order the columns."""
    schema = frame.collect_schema()
    kept = [SECTOR, *QUOTES, VWAP]
    nulls = [
        pl.lit(None, pl.String if name == SECTOR else pl.Float64).alias(name) for name in kept if name not in schema
    ]
    extra = [name for name in schema if name not in (*KEY, *kept)]
    return frame.with_columns(nulls).select(*KEY, *kept, *extra)


def _apply_adjusted_close(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Multiply prices by adjusted close / close, and divide the volume by it.

    Without a column for the adjusted close nothing changes. Where its value is null, prices and volume become null.
    """
    schema = frame.collect_schema()
    if ADJUSTED_CLOSE not in schema:
        return frame
    if ADJUSTMENT_FACTOR in schema:
        raise InputError(
            f"The prices have the columns {ADJUSTED_CLOSE} and {ADJUSTMENT_FACTOR}: keep only one of them."
        )
    return _scale_prices(frame, pl.col(ADJUSTED_CLOSE) / pl.col(CLOSE)).drop(ADJUSTED_CLOSE)


def apply_adjustment_factors(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Multiply prices by the stock's later adjustment factors, and divide the volume by them.

    Without a column for the factors nothing changes. A factor that is null counts as 1.
    """
    if ADJUSTMENT_FACTOR not in frame.collect_schema():
        return frame
    later = pl.col(ADJUSTMENT_FACTOR).fill_null(1.0).shift(-1, fill_value=1.0).cum_prod(reverse=True)
    return _scale_prices(frame, later.over(CODE, order_by=DATE)).drop(ADJUSTMENT_FACTOR)


def _scale_prices(frame: pl.LazyFrame, factor: pl.Expr) -> pl.LazyFrame:
    schema = frame.collect_schema()
    prices = [pl.col(name) * factor for name in (*PRICES, VWAP) if name in schema]
    volume = [pl.col(VOLUME) / factor] if VOLUME in schema else []  # so that price times volume does not change
    return frame.with_columns(*prices, *volume)


def _require_same_columns(reference_file: Path, reference: list[str], file: Path, columns: list[str]) -> None:
    differences = [
        f"only {path} has {list_names(sorted(extra))}"
        for path, extra in ((reference_file, {*reference} - {*columns}), (file, {*columns} - {*reference}))
        if extra
    ]
    if differences:
        raise InputError(f"{file} and {reference_file} do not have the same columns: {'; '.join(differences)}.")
