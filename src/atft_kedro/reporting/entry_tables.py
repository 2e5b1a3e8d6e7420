"""A run's scores with entry at the close of the forecast day, compared with entry at the next close."""

from collections.abc import Iterator, Mapping

from ..evaluation.daily_statistics import Mean
from ..evaluation.entries import name_entry
from ..evaluation.score import RunScore
from ..schema import ENTRY_LAGS
from .format import format_number
from .score_columns import ENTRY_COLUMNS, SCORE_COLUMNS
from .table import Table, format_cells, list_headers

ENTRY_HEADER = "entered at"
ENTRY_NOTE = (
    "A forecast is made from a day's close. Same close: the return starts at this close. Next close: the return starts "
    "at the next close, the first at which one can trade on the forecast. * marks the entry that the run was trained "
    "for."
)
SIGNIFICANT_STANDARD_ERRORS = 2  # a rank IC of more than so many standard errors differs from zero
REPORTED_DIFFERENCE = 0.5  # share of the larger rank IC; larger differences are reported


def mark_entry(lag: int, trained_lag: int) -> str:
    """Name an entry; add a star if the run was trained for it."""
    return name_entry(lag) + "*" * (lag == trained_lag)


def mark_horizon(horizon: int, lag: int, trained_lag: int) -> str:
    """Name a horizon and its entry briefly; add a star if the run was trained for the entry."""
    return f"{horizon}d {name_entry(lag).removesuffix(' close')}" + "*" * (lag == trained_lag)


def tabulate_entries(score: RunScore, split: str) -> Table:
    """Build the table that compares the entries; its note names rank ICs that differ much."""
    lags = (ENTRY_LAGS["same_close"], ENTRY_LAGS["next_close"])
    same_close, next_close = (score.entries[lag].split[split] if lag in score.entries else None for lag in lags)
    title = f"Same close and next close on the {split} days"
    entries = [mark_entry(lag, score.entry_lag) for lag in lags]
    rank_ic, error, sharpe = list_headers(SCORE_COLUMNS, ENTRY_COLUMNS)
    rank_ics = (text for entry in entries for text in (f"{rank_ic}, {entry}", error))
    header = ("horizon", *rank_ics, *(f"{sharpe}, {entry}" for entry in entries))
    if same_close is None or next_close is None:
        note = (
            f"No comparison: the run was scored only with entry at the {name_entry(score.entry_lag)}. The command "
            "`kedro atft evaluate` scores both entries."
        )
        return Table(title, header, [], note)
    rows = []
    for horizon in same_close:
        scores = (same_close[horizon], next_close[horizon])
        first, second = (format_cells(SCORE_COLUMNS, ENTRY_COLUMNS, score) for score in scores)
        rows.append([f"{horizon}d", *first[:2], *second[:2], first[2], second[2]])
    pairs = {horizon: (same_close[horizon].rank_ic, next_close[horizon].rank_ic) for horizon in same_close}
    return Table(title, header, rows, " ".join([*_compare_entries(pairs), ENTRY_NOTE]))


def _compare_entries(rank_ics: Mapping[int, tuple[Mean, Mean]]) -> Iterator[str]:
    """Yield a sentence for each horizon whose significant rank IC differs by more than half between the entries."""
    sentences = {horizon: _compare_rank_ics(horizon, *pair) for horizon, pair in rank_ics.items()}
    unknown = [f"{horizon} d" for horizon, sentence in sentences.items() if sentence is None]
    found = [sentence for sentence in sentences.values() if sentence]
    if len(unknown) < len(sentences) and not found:
        yield "No significant rank IC differs by more than half between the two entries."
    yield from found
    if unknown:
        yield f"Rank ICs over {', '.join(unknown)} are not compared, because one or its standard error is unknown."


def _compare_rank_ics(horizon: int, same_close: Mean, next_close: Mean) -> str | None:
    """Return a sentence if two rank ICs differ by more than half of the larger, else an empty string.

    The larger must be more than `SIGNIFICANT_STANDARD_ERRORS` standard errors from zero. None if a value is unknown.
    """
    values = (same_close.mean, next_close.mean, same_close.se, next_close.se)
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    same, later, same_error, later_error = known
    larger, error = (same, same_error) if abs(same) >= abs(later) else (later, later_error)
    if abs(larger) <= SIGNIFICANT_STANDARD_ERRORS * error or abs(same - later) <= REPORTED_DIFFERENCE * abs(larger):
        return ""
    sentence = (
        f"Over {horizon} d the rank IC is {format_number(same)} at the same close and {format_number(later)} at the "
        "next: they differ by more than half of the larger."
    )
    if abs(same) >= abs(later):
        sentence += (
            " Most of this rank IC comes from the return between the forecast's close and the next close, which cannot "
            "be traded."
        )
    return sentence
