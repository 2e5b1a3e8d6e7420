"""Tables of text, the columns that fill them, and their Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .format import format_number

Row = Sequence[str]
Source = TypeVar("Source")


@dataclass(frozen=True)
class Table:
    """A table with a title and a note on how to read it."""

    title: str
    header: Row
    rows: Sequence[Row]
    note: str = ""


@dataclass(frozen=True)
class Column(Generic[Source]):
    """A column: its header, and functions that compute and format its value."""

    header: str
    compute: Callable[[Source], Any]
    format: Callable[[Any], str] = format_number


Columns = Mapping[str, Column[Source]]


def list_headers(columns: Columns[Any], names: Iterable[str]) -> list[str]:
    """Return the headers of some columns."""
    return [columns[name].header for name in names]


def format_cells(columns: Columns[Source], names: Iterable[str], source: Source) -> list[str]:
    """Format the cells of some columns in one row."""
    return [columns[name].format(columns[name].compute(source)) for name in names]


def build_markdown_page(title: str, tables: Sequence[Table]) -> str:
    """Build a Markdown page of tables."""
    return "\n\n".join([f"# {title}", *map(format_markdown_table, tables)]) + "\n"


def format_markdown_table(table: Table) -> str:
    """Format a table in Markdown, with its title and note above."""
    rows = [table.header, ["---"] * len(table.header), *table.rows]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join(text for text in (f"## {table.title}", table.note, lines) if text)
