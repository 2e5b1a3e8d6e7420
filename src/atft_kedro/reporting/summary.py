"""Tables as a page of text."""

from collections.abc import Sequence

from .table import Grid


def write_summary(title: str, grids: Sequence[Grid]) -> str:
    """Write tables in Markdown."""
    return "\n\n".join([f"# {title}", *map(write_grid, grids)]) + "\n"


def write_grid(grid: Grid) -> str:
    """Write a table in Markdown, under its title."""
    rows = [grid.head, ["---"] * len(grid.head), *grid.rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join(part for part in (f"## {grid.title}", grid.note, table) if part)
