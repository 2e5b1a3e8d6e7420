"""Opening one table file, whatever its format, with errors that say what is wrong with the file."""

import re
from pathlib import Path

import polars as pl
from polars.exceptions import ComputeError, PolarsError

from ..params import InputError

SEPARATORS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".txt": ","}
PARQUET = (".parquet", ".pq")


def table_files(path: Path) -> list[Path]:
    """List the table files at ``path``: itself, or those in its folder, in the order of their names."""
    if not path.exists():
        raise InputError(f"{path} does not exist. Give the catalog entry a price file or a folder of them.")
    if path.is_file():
        _require_format(path)
        return [path]
    visible = (file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    files = sorted(file for file in visible if _suffix(file) in (*SEPARATORS, *PARQUET) and _suffix(file) != ".txt")
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
    frame = pl.scan_csv(file, separator=separator, infer_schema=False)
    try:
        names = frame.collect_schema().names()
    except (PolarsError, OSError) as error:
        raise InputError(f"{file} cannot be read as a table with {separator!r} between its cells: {error}") from error
    twice = [name for name in names if re.search(r"_duplicated_\d+$", name)]
    if twice:
        raise InputError(f"{file} has a column twice: {re.sub('_duplicated_.*', '', twice[0])}.")
    _require_whole_lines(file, separator, len(names))
    return frame


def _require_whole_lines(file: Path, separator: str, width: int) -> None:
    """Refuse a text file with lines too short or too long for its header: Polars would fill them with nulls."""
    lines = pl.scan_csv(file, separator="\x1f", quote_char=None, has_header=False, new_columns=["line"])
    cells = pl.col("line").str.strip_chars_end("\r").str.count_matches(separator, literal=True) + 1
    odd = (cells != width) & ~pl.col("line").str.contains('"', literal=True) & (pl.col("line").str.strip_chars() != "")
    try:
        bad = lines.with_row_index("number", offset=1).filter(odd).head(1).collect(engine="streaming")
    except (PolarsError, OSError) as error:
        raise InputError(f"{file} cannot be read as text: {error}") from error
    if bad.height:
        number, line = bad.row(0)
        raise InputError(
            f"{file}, line {number}: {line!r} does not have {width} cells with {separator!r} between them, as the "
            "header has. Was the file cut off?"
        )


def stem(file: Path) -> str:
    """Take a file's name without the ending that says its format: 7203.T.csv is 7203.T."""
    return file.name[: len(file.name) - len(_suffix(file))]


def _require_format(file: Path) -> None:
    if _suffix(file) not in (*SEPARATORS, *PARQUET):
        raise InputError(f"{file}: cannot read this kind of file; known are {', '.join((*SEPARATORS, *PARQUET))}.")


def _suffix(file: Path) -> str:
    name = file.name.lower()
    return ".csv.gz" if name.endswith(".csv.gz") else file.suffix.lower()
