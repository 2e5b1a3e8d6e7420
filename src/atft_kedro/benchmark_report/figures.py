"""Pictures that are text: Mermaid's, which a page of Markdown shows without a file beside it."""

from collections.abc import Mapping, Sequence

import polars as pl

from ..schema import DATE

MONTH = "month"


def draw_sums(days: Mapping[str, pl.DataFrame]) -> str:
    """Draw each forecaster's daily rank ICs, summed up to the end of each of the first one's months.

    They are named in the order in which they end.
    """
    dates = next(iter(days.values())).select(DATE)
    sums = {name: _sum_up(dates.join(table, on=DATE, how="left")) for name, table in days.items()}
    order = sorted(sums, key=lambda name: -sums[name]["rank_ic"][-1])
    months = sums[order[0]][MONTH].to_list()
    lines = [f"line [{_list(sums[name]['rank_ic'].to_list())}]" for name in order]
    return f"{_draw('Sum of the daily rank ICs', months, lines)}\n\nAt the end, from above: {', '.join(order)}."


def _sum_up(days: pl.DataFrame) -> pl.DataFrame:
    month = pl.col(DATE).dt.strftime("%Y-%m").alias(MONTH)
    summed = days.sort(DATE).select(month, pl.col("rank_ic").fill_null(0).cum_sum())
    return summed.group_by(MONTH, maintain_order=True).last()


def draw_heights(title: str, names: Sequence[str], heights: Sequence[float]) -> str:
    """Draw a rank IC for each name: bars from zero, or a line across zero where one is below."""
    if min(heights) < 0:
        return _draw(title, names, [f"line [{_list(heights)}]", f"line [{_list([0.0] * len(heights))}]"])
    return _draw(title, names, [f"bar [{_list(heights)}]"], f" 0 --> {1.1 * max(heights):.6f}")


def _draw(title: str, names: Sequence[str], lines: Sequence[str], between: str = "") -> str:
    named = ", ".join(f'"{name}"' for name in names)
    chart = ["xychart-beta", f'title "{title}"', f"x-axis [{named}]", f'y-axis "rank IC"{between}', *lines]
    return "\n    ".join(["```mermaid", *chart]) + "\n```"


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
