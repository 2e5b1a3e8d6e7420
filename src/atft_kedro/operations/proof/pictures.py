"""Pictures that are text: Mermaid's, which a page of Markdown shows without a file beside it."""

from collections.abc import Sequence

import polars as pl

from ...schema import DATE


def draw_months(days: pl.DataFrame, beside: pl.DataFrame, name: str) -> str:
    """Draw each month's mean rank IC in a bar, and that of a forecaster beside it as a line."""
    mine, theirs = (
        table.group_by(pl.col(DATE).dt.strftime("%Y-%m").alias("month")).agg(pl.col("rank_ic").mean()).sort("month")
        for table in (days, beside)
    )
    both = mine.join(theirs, on="month", how="left").fill_null(0)
    return draw_bars(
        f"Mean rank IC by month; line: {name}",
        both["month"].to_list(),
        both["rank_ic"].to_list(),
        both["rank_ic_right"].to_list(),
    )


def draw_bars(title: str, names: Sequence[str], heights: Sequence[float], line: Sequence[float] | None = None) -> str:
    """Draw named bars, and a line."""
    lines = [
        "```mermaid",
        "xychart-beta",
        f'    title "{title}"',
        "    x-axis [" + ", ".join(f'"{name}"' for name in names) + "]",
        '    y-axis "rank IC"',
        f"    bar [{', '.join(f'{height:.4f}' for height in heights)}]",
    ]
    if line is not None:
        lines.append(f"    line [{', '.join(f'{height:.4f}' for height in line)}]")
    return "\n".join([*lines, "```"])
