"""Reading people's price files: CSV or parquet, one file or a folder, long or wide, as they have them."""

import itertools
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl

from ..params import InputError, list_names
from ..progress import track_progress
from ..schema import CLOSE, CODE, DATE, KEY, PRICES, QUOTES, SECTOR, VOLUME, VWAP, code_text
from .columns import ADJUSTED_CLOSE, FIELDS, PriceFileParams, find_columns, require_known
from .parse_cells import RowOrigin, are_midnights, parse_dates, parse_numbers
from .recognition import advise_mapping, take_sample
from .tables import load_table, scan_table, stem, table_files
from .wide import is_wide, read_wide

BATCH_BYTES = 32_000_000  # of files on disk that are read together


def read_prices(path: Path, params: PriceFileParams) -> pl.LazyFrame:
    """Read the prices at ``path`` into our columns: date, code, sector, open … volume, vwap.

    A folder holds one file per stock (the file's name is the code where no column is), or one wide file
    per field (``close.csv``, ``volume.csv``, each with a column per stock).
    """
    files = table_files(path)
    require_known(params.columns)
    if is_wide(files, params):
        frame = read_wide(files, params)
    elif path.is_dir():
        frame = pl.concat(_read_folder(files, params)).lazy()
    else:
        frame = _read_file(path, params)
    return _complete(_adjust(frame))


def _read_file(file: Path, params: PriceFileParams) -> pl.LazyFrame:
    frame = scan_table(file)
    if params.layout == "per_stock" and CODE not in find_columns(frame.collect_schema().names(), params, file):
        frame = frame.with_columns(pl.lit(stem(file)).alias(CODE))
    return _read_long(frame, RowOrigin.of(file), params)


def _read_folder(files: list[Path], params: PriceFileParams) -> Iterator[pl.DataFrame]:
    """Read files that hold one stock each, a batch at a time.

    One query over thousands of files would take Polars a time that grows with their square.
    """
    batches = list(_cut_into_batches(files))
    first: dict[Path, list[str]] = {}
    with ThreadPoolExecutor() as pool:
        for batch in track_progress(batches, "batches of price files"):
            tables = dict(zip(batch, pool.map(load_table, batch), strict=True))
            for alike in _group_alike(tables, params):
                prices = _read_together(alike, params)
                first = first or {next(iter(alike)): prices.columns}
                _require_same_columns(first, {next(iter(alike)): prices.columns})
                yield prices.select(*first.values())


def _cut_into_batches(files: list[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.stat().st_size
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _group_alike(tables: dict[Path, pl.DataFrame], params: PriceFileParams) -> Iterable[dict[Path, pl.DataFrame]]:
    """Group tables with the same columns and types, and dates of the same shape (0000-00-00).

    Where a time zone moves datetimes, tables of midnights, which are days already, are groups of their own.
    """
    groups: dict[object, dict[Path, pl.DataFrame]] = {}
    for file, table in tables.items():
        date = find_columns(table.columns, params, file).get(DATE)
        shape = "" if date is None else re.sub(r"\d", "0", str(table[date].drop_nulls().first()))
        are_days = date is not None and params.dates.time_zone is not None and are_midnights(table[date])
        groups.setdefault((tuple(table.schema.items()), shape, are_days), {})[file] = table
    return groups.values()


def _read_together(tables: dict[Path, pl.DataFrame], params: PriceFileParams) -> pl.DataFrame:
    """Read tables of one shape as one; the code is the file's name where they have none."""
    files = tuple(tables)
    starts = itertools.accumulate((table.height for table in tables.values()), initial=0)
    if CODE not in find_columns(tables[files[0]].columns, params, files[0]):
        tables = {file: table.with_columns(pl.lit(stem(file)).alias(CODE)) for file, table in tables.items()}
    frame = pl.concat(tables.values()).lazy()
    return _read_long(frame, RowOrigin(files, tuple(starts)[:-1]), params).collect()


def _read_long(frame: pl.LazyFrame, origin: RowOrigin, params: PriceFileParams) -> pl.LazyFrame:
    file = origin.files[0]
    names = find_columns(frame.collect_schema().names(), params, file)
    missing = [ours for ours in (*KEY, CLOSE) if ours not in names]
    if missing:
        raise InputError(
            f"{file}: no column for {', '.join(missing)} among {list_names(frame.collect_schema().names())}. "
            f"{advise_mapping(take_sample(frame))}. If the file has a column per stock, write "
            "`layout: wide` there."
        )
    frame = frame.select(pl.col(names[ours]).alias(ours) for ours in (*KEY, SECTOR, *FIELDS) if ours in names)
    numbers = [name for name in FIELDS if name in names]
    texts = [name for name in (CODE, SECTOR) if name in names]
    parsed = parse_numbers(parse_dates(frame, params.dates, origin), numbers, origin)
    return parsed.with_columns(code_text(pl.col(name)) for name in texts)


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


def _require_same_columns(one: dict[Path, list[str]], other: dict[Path, list[str]]) -> None:
    (first, names), (file, others) = *one.items(), *other.items()
    odd = sorted(set(names) ^ set(others))
    if odd:
        raise InputError(f"{file} and {first} do not have the same columns: {list_names(odd)} is only in one of them.")
