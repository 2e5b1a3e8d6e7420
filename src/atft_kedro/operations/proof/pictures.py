"""Pictures that are text: Mermaid's, which a page of Markdown shows without a file beside it."""

from collections.abc import Mapping, Sequence

import polars as pl

from ...schema import DATE


def draw_sums(days: Mapping[str, pl.DataFrame]) -> str:
    """Draw each forecaster's daily rank ICs, summed up to the end of each month; they are named as they end."""
    sums = {
        name: table.sort(DATE)
        .select(pl.col(DATE).dt.strftime("%Y-%m").alias("month"), pl.col("rank_ic").fill_null(0).cum_sum())
        .group_by("month", maintain_order=True)
        .last()
        for name, table in days.items()
    }
    order = sorted(sums, key=lambda name: -sums[name]["rank_ic"][-1])
    months = sums[order[0]]["month"].to_list()
    lines = [f"line [{_list(sums[name]['rank_ic'].to_list())}]" for name in order]
    return _draw(f"Sum of the daily rank ICs, at the end from above: {', '.join(order)}", months, lines)


def draw_bars(title: str, names: Sequence[str], heights: Sequence[float]) -> str:
    """Draw named bars of rank IC, which begin at zero where none is below."""
    return _draw(title, names, [f"bar [{_list(heights)}]"], f" {min(0.0, *heights):.3f} --> {max(heights) * 1.1:.3f}")


def _draw(title: str, names: Sequence[str], lines: Sequence[str], between: str = "") -> str:
    named = ", ".join(f'"{name}"' for name in names)
    chart = ["xychart-beta", f'title "{title}"', f"x-axis [{named}]", f'y-axis "rank IC"{between}', *lines]
    return "\n    ".join(["```mermaid", *chart]) + "\n```"


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
