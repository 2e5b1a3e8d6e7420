"""Tables as a page of text."""

from collections.abc import Sequence

from .table import Table


def build_markdown_page(title: str, grids: Sequence[Table]) -> str:
    """Write tables in Markdown."""
    return "\n\n".join([f"# {title}", *map(format_markdown_table, grids)]) + "\n"


def format_markdown_table(grid: Table) -> str:
    """Write a table in Markdown, under its title."""
    rows = [grid.header, ["---"] * len(grid.header), *grid.rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join(part for part in (f"## {grid.title}", grid.note, table) if part)
