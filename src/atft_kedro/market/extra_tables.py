"""A user's tables of further values, joined to prices as of the day from which each value is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from ..params import InputError, list_names, suggest_name
from ..schema import AVAILABLE_FROM, CODE, DATE, code_text
from .columns import plain_name
from .parse_cells import RowOrigin, parse_numbers
from .table_files import list_table_files, load_table

DAY = r"^(\d{4})([-/]?)(\d{2})([-/]?)(\d{2})(\.0|[ T]00:00(:00(\.0+)?)?)?$"  # a time of day is midnight


@dataclass(frozen=True)
class ExtraTables:
    """The columns that ``features.columns`` names, and the tables that have some of them.

    Each table is sorted by (code, available_from) and has no other columns. A name that no table has is that of a
    column of the prices. ``unused`` are the tables' other columns.
    """

    names: tuple[str, ...] = ()
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)  # by the name of the file
    unused: Sequence[str] = ()

    def join(self, prices: pl.DataFrame) -> pl.DataFrame:
        """Add to each row of the prices the values that are known at its close.

        The prices are sorted by (code, date). The values are those of the stock's row with the latest
        ``available_from`` up to the date.
        """
        for name, table in self.tables.items():
            if repeated := {*table.columns} & {*prices.columns} - {CODE}:
                raise InputError(f"{name} has the column {min(repeated)}, as the prices or another table: rename it.")
            joined = prices.join_asof(table, left_on=DATE, right_on=AVAILABLE_FROM, by=CODE, check_sortedness=False)
            prices = joined.drop(AVAILABLE_FROM)
        for name in {*self.names} - {*prices.columns}:
            raise InputError(
                f"features.columns names {name}, but neither the prices nor a table in the folder of the catalog entry "
                f"`extra_tables` has such a column{suggest_name(name, self.unused)}."
            )
        return prices


def read_extra_tables(folder: Path, names: Sequence[str]) -> ExtraTables:
    """Read the columns ``names`` of all tables in a folder; a missing or empty folder has none."""
    tables: dict[str, pl.DataFrame] = {}
    unused: list[str] = []
    for file in list_table_files(folder) if names and has_tables(folder) else []:
        table = load_table(file).rename(plain_name)
        values = [name for name in names if name in table.columns]
        unused += [name for name in table.columns if name not in (*values, CODE, AVAILABLE_FROM)]
        if values:
            tables[file.name] = _parse_table(file, table, values)
    return ExtraTables(tuple(names), tables, unused)


def has_tables(folder: Path) -> bool:
    """Return whether a path is a file, or a folder with visible files."""
    return folder.is_file() or any(folder.glob("[!.]*"))


def _parse_table(file: Path, table: pl.DataFrame, values: list[str]) -> pl.DataFrame:
    """Parse the codes, days and values of a table; refuse rows that cannot be joined."""
    missing = [name for name in (CODE, AVAILABLE_FROM) if name not in table.columns]
    if missing:
        raise InputError(f"{file} has no column {', '.join(missing)}; it has {list_names(table.columns)}.")
    days = table[AVAILABLE_FROM].cast(pl.String).str.strip_chars()
    parsed = days.str.replace(DAY, "$1$3$5").str.to_date("%Y%m%d", strict=False)
    if bad := days.filter(parsed.is_null()).to_list():
        raise InputError(
            f"{file}, column {AVAILABLE_FROM!r}: {len(bad)} cell(s) are not days, such as {bad[0]!r}: write the first "
            "day at whose close the values are known, like 2024-05-31; what is published after a close is known at "
            "the next one."
        )
    numbers = parse_numbers(table.lazy(), values, RowOrigin.of(file))
    finite = [pl.when(pl.col(name).is_finite()).then(name) for name in values]
    rows = numbers.select(code_text(pl.col(CODE)), parsed.alias(AVAILABLE_FROM), *finite).collect()
    rows = rows.sort(CODE, AVAILABLE_FROM)
    bad_rows = rows.filter(pl.struct(CODE, AVAILABLE_FROM).is_duplicated() | pl.col(CODE).is_null())
    if bad_rows.height:
        examples = list_names(f"{code} from {day}" for code, day, *_ in bad_rows.head(4).iter_rows())
        raise InputError(
            f"{file} has {bad_rows.height} rows without a code, or with the code and day of another ({examples})."
        )
    return rows
