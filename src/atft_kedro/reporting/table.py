"""A table with its words."""

from collections.abc import Sequence
from dataclasses import dataclass

Row = Sequence[str]


@dataclass(frozen=True)
class Grid:
    """A table under its title, with a line on how to read it."""

    title: str
    head: Row
    rows: Sequence[Row]
    note: str = ""
