"""A table with its words."""

from collections.abc import Sequence
from dataclasses import dataclass

Row = Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table under its title, with a line on how to read it."""

    title: str
    header: Row
    rows: Sequence[Row]
    note: str = ""
