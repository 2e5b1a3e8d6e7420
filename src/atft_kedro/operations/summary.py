"""Tables as a page of text."""

from collections.abc import Sequence

from .grid import Grid


def write_summary(title: str, grids: Sequence[Grid]) -> str:
    """Write tables in Markdown."""
    return "\n\n".join([f"# {title}", *map(_write, grids)]) + "\n"


def _write(grid: Grid) -> str:
    rows = [grid.head, ["---"] * len(grid.head), *grid.rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join(part for part in (f"## {grid.title}", grid.note, table) if part)
