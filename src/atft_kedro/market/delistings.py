"""Delisted stocks: the day on which each one's last return is earned, and this return."""

import logging
from pathlib import Path

import polars as pl

from ..params import InputError, list_names
from ..schema import CODE, DATE, DELISTING_RETURN, code_text
from .parse_cells import DateFormat, RowOrigin, parse_dates, parse_numbers
from .table_files import list_table_files, load_table

NO_DELISTINGS = pl.DataFrame(schema={DATE: pl.Date, CODE: pl.String, DELISTING_RETURN: pl.Float64})

_logger = logging.getLogger(__name__)


def read_delistings(file: Path, dates: DateFormat) -> pl.DataFrame:
    """Read and check a table of date, code, return with one row per stock.

    Other columns are ignored. The return is that from the stock's last close to what its owner finally received.
    """
    if not file.is_file():
        raise InputError(f"{file} is not a file: give the table of delistings with --params delistings=PATH.")
    (file,) = list_table_files(file)
    table = load_table(file)
    table = table.rename({name: name.strip().lower() for name in table.columns})
    missing = [name for name in NO_DELISTINGS.columns if name not in table.columns]
    if missing:
        raise InputError(f"{file} has no column {', '.join(missing)}; it has {list_names(table.columns)}.")
    origin = RowOrigin.of(file)
    parsed = parse_numbers(parse_dates(table.lazy(), dates, origin), [DELISTING_RETURN], origin)
    rows = parsed.select(DATE, code_text(pl.col(CODE)), DELISTING_RETURN).collect()
    _require_possible_rows(file, rows)
    return rows


def _require_possible_rows(file: Path, rows: pl.DataFrame) -> None:
    """Refuse empty cells, repeated codes and impossible returns."""
    final = pl.col(DELISTING_RETURN)
    faults = {
        "without a date, a code or a return": pl.any_horizontal(pl.all().is_null()),
        "for a code that another row has too: a stock has one last return": pl.col(CODE).is_duplicated(),
        "with a return that is not finite": ~final.is_finite(),
        "with a return below -1: a loss of 35 % is -0.35": final < -1,
    }
    for fault, is_broken in faults.items():
        broken = rows.filter(is_broken)
        if broken.height:
            examples = list_names(f"{code} on {day}: {value}" for day, code, value in broken.iter_rows())
            raise InputError(f"{file} has {broken.height} row(s) {fault} ({examples}).")


def select_known_delistings(delistings: pl.DataFrame, prices: pl.LazyFrame) -> pl.DataFrame:
    """Select the delistings of stocks in the prices, up to the last day of the prices.

    A stock that is still traded after its delisting is refused.
    """
    if delistings.is_empty():
        return delistings
    last_days = prices.group_by(CODE).agg(pl.col(DATE).max().alias("last")).collect()
    joined = delistings.join(last_days, on=CODE, how="left", maintain_order="left")
    for day, code, _, last in joined.filter(pl.col("last") > pl.col(DATE)).head(1).iter_rows():
        raise InputError(
            f"The table of delistings dates the last return of {code} on {day}, but its prices go on until {last}: "
            "give the last day with a price, or a later one."
        )
    known = joined.filter(pl.col("last").is_not_null() & (pl.col(DATE) <= last_days["last"].max()))
    if unknown := joined["last"].null_count():
        _logger.warning("delistings: %d of %d stocks are not in the prices", unknown, joined.height)
    return known.drop("last")
