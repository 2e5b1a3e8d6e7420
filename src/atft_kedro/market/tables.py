"""Opening one table file, whatever its format, with errors that say what is wrong with the file."""

import logging
from pathlib import Path

import polars as pl
from polars.exceptions import ComputeError, NoDataError

from ..params import InputError

SEPARATORS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".txt": ","}
PARQUET = (".parquet", ".pq")
NULLS = ["", "NA", "N/A", "#N/A", "nan", "NaN", "null", "NULL", "None", "-"]

_logger = logging.getLogger(__name__)


def table_files(path: Path) -> list[Path]:
    """List the table files at ``path``: itself, or those in its folder, in the order of their names."""
    if not path.exists():
        raise InputError(f"{path} does not exist. Give the catalog entry a price file or a folder of them.")
    if path.is_file():
        _require_format(path)
        return [path]
    files = sorted(file for file in path.iterdir() if _suffix(file) in (*SEPARATORS, *PARQUET))
    if not files:
        raise InputError(f"{path} holds no file that ends in {', '.join((*SEPARATORS, *PARQUET))}.")
    return files


def scan_table(file: Path) -> pl.LazyFrame:
    """Scan one file; every cell of a text file stays text."""
    if file.stat().st_size == 0:
        raise InputError(f"{file} is empty.")
    frame = _scan_parquet(file) if _suffix(file) in PARQUET else _scan_text(file)
    if not frame.head(1).collect().height:
        raise InputError(f"{file} has a header and no rows.")
    return frame


def _scan_parquet(file: Path) -> pl.LazyFrame:
    frame = pl.scan_parquet(file)
    try:
        frame.collect_schema()
    except (ComputeError, OSError) as error:
        raise InputError(
            f"{file} is not a whole parquet file; was it cut off while it was written? ({error})"
        ) from error
    return frame


def _scan_text(file: Path) -> pl.LazyFrame:
    separator = SEPARATORS[_suffix(file)]
    frame = pl.scan_csv(file, separator=separator, infer_schema=False, null_values=NULLS)
    try:
        width = len(frame.collect_schema())
    except (NoDataError, ComputeError) as error:
        raise InputError(f"{file} cannot be read as a table with {separator!r} between its cells: {error}") from error
    if _suffix(file) != ".csv.gz":
        _require_whole_last_line(file, separator, width)
    return frame


def _require_whole_last_line(file: Path, separator: str, width: int) -> None:
    """Refuse a text file that was cut off inside a line: Polars would fill the rest with nulls."""
    with file.open("rb") as opened:
        opened.seek(max(file.stat().st_size - 65536, 0))
        tail = opened.read().decode("utf-8", errors="replace")
    last = tail.rstrip("\r\n").rsplit("\n", 1)[-1]
    if '"' not in last and last.count(separator) + 1 < width:
        raise InputError(f"{file} ends inside a line ({last!r} has fewer than {width} cells): it was cut off.")
    if not tail.endswith("\n"):
        _logger.warning("%s has no line end after its last row; if it was cut off, its last number may be.", file)


def _require_format(file: Path) -> None:
    if _suffix(file) not in (*SEPARATORS, *PARQUET):
        raise InputError(f"{file}: cannot read this kind of file; known are {', '.join((*SEPARATORS, *PARQUET))}.")


def _suffix(file: Path) -> str:
    name = file.name.lower()
    return ".csv.gz" if name.endswith(".csv.gz") else file.suffix.lower()
