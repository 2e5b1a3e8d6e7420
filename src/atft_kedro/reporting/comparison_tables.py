"""Tables of several runs for the terminal."""

from collections.abc import Sequence

from ..evaluation.compare_runs import RunComparison
from ..evaluation.score import RunScore
from .entry_tables import mark_horizon
from .format import format_number
from .score_columns import COMPARED_COLUMNS, DIFFERENCE_COLUMNS, RUN_COLUMNS, SCORE_COLUMNS
from .table import Table, format_cells, list_headers

ENTRY_NOTE = (
    "same, next: entry at the close of the forecast day or at the next close; * the entry that the run was trained for"
)
DEFLATED_NOTE = (
    "deflated (Sharpe ratio): the probability that the net Sharpe ratio is above the best that {trials} runs without "
    "skill reach by chance. It depends on the number of runs listed (or --trials), and on how much their ratios differ."
)


def tabulate_scores(scores: Sequence[RunScore], split: str | None = None) -> Table:
    """Build a row for each run, split, horizon and entry; the title numbers the runs."""
    rows = [
        [
            str(number),
            name,
            mark_horizon(horizon, lag, score.entry_lag),
            *format_cells(SCORE_COLUMNS, RUN_COLUMNS, entry.split[name][horizon]),
        ]
        for number, score in enumerate(scores, start=1)
        for name, horizons in score.split.items()
        if split in {None, name}
        for horizon in horizons
        for lag, entry in score.entries.items()
    ]
    header = ("run", "split", "horizon", *list_headers(SCORE_COLUMNS, RUN_COLUMNS))
    return Table(_number_runs([score.run for score in scores]), header, rows, ENTRY_NOTE)


def tabulate_comparison(compared: Sequence[RunComparison], split: str, trials: int) -> Table:
    """Build a row for each horizon, entry and run; the title numbers the runs."""
    runs = list(dict.fromkeys(row.run for row in compared))
    rows = [
        [
            mark_horizon(row.horizon, row.entry_lag, row.trained_lag),
            str(1 + runs.index(row.run)),
            *format_cells(SCORE_COLUMNS, COMPARED_COLUMNS, row.score),
            format_number(row.deflated, 3),
            *(format_cells(DIFFERENCE_COLUMNS, ("rank_ic",), row.differences) if row.differences else [""]),
            *format_cells(SCORE_COLUMNS, ("days",), row.score),
            f"{row.left_out:,}",
        ]
        for row in compared
    ]
    header = ("horizon", "run", *list_headers(SCORE_COLUMNS, COMPARED_COLUMNS), "deflated")
    difference, days = DIFFERENCE_COLUMNS["rank_ic"].header, SCORE_COLUMNS["days"].header
    return Table(
        f"{split} days, forecasts that all runs have\n{_number_runs(runs)}",
        (*header, f"{difference} difference to run 1", days, "left out"),
        rows,
        f"{DEFLATED_NOTE.format(trials=max(trials, len(runs)))}\n{ENTRY_NOTE}",
    )


def _number_runs(runs: Sequence[str]) -> str:
    return "\n".join(f"{number} = {run}" for number, run in enumerate(runs, start=1))
