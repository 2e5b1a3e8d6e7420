"""Reading of one CSV or parquet file, with errors that name the file's fault."""

import logging
import re
from pathlib import Path

import polars as pl
from polars.exceptions import ComputeError, PolarsError

from ..params import InputError, list_names

SEPARATORS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t", ".txt": ",", ".txt.gz": ","}
PARQUET = (".parquet", ".pq")
NOTES = (".txt", ".txt.gz")  # notes about the tables, if there are other tables
LONGEST = 200  # characters of a line in a message

_logger = logging.getLogger(__name__)


def list_table_files(path: Path) -> list[Path]:
    """List the table files at ``path``, a file or a folder, sorted by name.

    Text files (.txt) are tables only in a folder without other tables. Ignored files are logged.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist. Give the catalog entry a price file or a folder of them.")
    if path.is_file():
        _require_format(path)
        return [path]
    visible = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    tables = [entry for entry in visible if entry.is_file() and _suffix(entry) in (*SEPARATORS, *PARQUET)]
    files = [table for table in tables if _suffix(table) not in NOTES] or tables
    others = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in visible if entry not in set(files)]
    if not files:
        raise InputError(
            f"{path} has no file that ends in {', '.join((*SEPARATORS, *PARQUET))}"
            + (f", only {list_names(others)}: give the folder that holds the tables." if others else ".")
        )
    if others:
        _logger.warning("in %s these are not read: %s", path, list_names(others))
    return files


def scan_table(file: Path) -> pl.LazyFrame:
    """Scan one file; cells of a text file are text."""
    frame = _open_table(file)
    _require_rows(file, frame.head(1).collect())
    if _suffix(file) in SEPARATORS:
        _require_complete_lines(file, len(frame.collect_schema()))
    return frame


def load_table(file: Path) -> pl.DataFrame:
    """Read one file into memory, with the checks of ``scan_table`` in a single pass."""
    frame = _open_table(file)
    try:
        table = frame.collect()
    except ComputeError:
        if _suffix(file) in SEPARATORS:
            _require_complete_lines(file, len(frame.collect_schema()))
        raise
    _require_rows(file, table)
    if _suffix(file) in SEPARATORS and table[table.columns[-1]].has_nulls():  # a line that is too short has nulls
        _require_complete_lines(file, table.width)
    return table


def _open_table(file: Path) -> pl.LazyFrame:
    if file.stat().st_size == 0:
        raise InputError(f"{file} is empty.")
    return _scan_parquet(file) if _suffix(file) in PARQUET else _scan_text(file)


def _require_rows(file: Path, rows: pl.DataFrame) -> None:
    if not rows.height:
        raise InputError(f"{file} has a header and no rows.")


def _scan_parquet(file: Path) -> pl.LazyFrame:
    frame = pl.scan_parquet(file, glob=False)
    try:
        frame.collect_schema()
    except (ComputeError, OSError) as error:
        raise InputError(
            f"{file} is not a complete parquet file; was it truncated while it was written? ({error})"
        ) from error
    return frame


def _scan_text(file: Path) -> pl.LazyFrame:
    separator = SEPARATORS[_suffix(file)]
    frame = pl.scan_csv(file, separator=separator, infer_schema=False, glob=False)
    try:
        names = frame.collect_schema().names()
    except (PolarsError, OSError) as error:
        raise InputError(f"{file} cannot be read as a table with {separator!r} between its cells: {error}") from error
    repeated = [name for name in names if re.search(r"_duplicated_\d+$", name)]
    if repeated:
        raise InputError(f"{file} has a column twice: {re.sub('_duplicated_.*', '', repeated[0])}.")
    return frame


def _require_complete_lines(file: Path, width: int) -> None:
    """Refuse lines that are shorter or longer than the header; Polars would fill them with nulls."""
    separator = SEPARATORS[_suffix(file)]
    lines = pl.scan_csv(file, separator="\x1f", quote_char=None, has_header=False, new_columns=["line"], glob=False)
    cells = pl.col("line").str.strip_chars_end("\r").str.count_matches(separator, literal=True) + 1
    odd = (cells != width) & ~pl.col("line").str.contains('"', literal=True) & (pl.col("line").str.strip_chars() != "")
    try:
        bad = lines.with_row_index("number", offset=1).filter(odd).head(1).collect(engine="streaming")
    except (PolarsError, OSError) as error:
        raise InputError(f"{file} cannot be read as text: {error}") from error
    if bad.height:
        number, line = bad.row(0)
        raise InputError(
            f"{file}, line {number}: {line[:LONGEST]!r} does not have {width} cells with {separator!r} between them, "
            "as the header has. Was the file truncated?"
        )


def file_stem(file: Path) -> str:
    """Return a file's name without its format's suffix: 7203.T for 7203.T.csv."""
    return file.name[: len(file.name) - len(_suffix(file))]


def _require_format(file: Path) -> None:
    if _suffix(file) not in (*SEPARATORS, *PARQUET):
        raise InputError(f"{file}: unknown file format; known are {', '.join((*SEPARATORS, *PARQUET))}.")


def _suffix(file: Path) -> str:
    name = file.name.lower()
    return "".join(file.suffixes[-2:]).lower() if name.endswith(".gz") else file.suffix.lower()
