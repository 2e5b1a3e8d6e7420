"""The scores of a run at the same close, compared with those at the next close."""

from ..evaluation.daily_statistics import Mean
from ..evaluation.entries import name_entry
from ..evaluation.score import RunScore
from ..schema import ENTRY_LAGS
from .format import format_number
from .score_columns import SCORE_COLUMNS
from .table import Table, format_cells

ENTERED = "entered at"
READING = (
    "A forecast is made from a day's close. Same close: the return counts from this close. Next close: it counts "
    "from the next close, the first that can be traded at. * marks the entry that the run was trained for."
)
CLEAR = 2  # standard errors from zero, from which a rank IC counts as different from zero
HALF = 0.5  # of the larger rank IC: the difference that is reported
HEADER = (
    *("horizon", "rank IC, same close", "± se", "rank IC, next close", "± se"),
    *("net Sharpe, same close", "next close"),
)


def mark_entry(lag: int, own: int) -> str:
    """Name an entry; add a star if the run was trained for it."""
    return name_entry(lag) + "*" * (lag == own)


def mark_horizon(horizon: int, lag: int, own: int) -> str:
    """Name a horizon and its entry briefly, for the terminal."""
    return f"{horizon}d {name_entry(lag).removesuffix(' close')}" + "*" * (lag == own)


def tabulate_entries(score: RunScore, split: str) -> Table:
    """Build the table of both closes; its note names rank ICs that differ by more than half."""
    same, next_ = (
        score.entries[lag].split[split] if lag in score.entries else None
        for lag in (ENTRY_LAGS["same_close"], ENTRY_LAGS["next_close"])
    )
    title = f"Same close and next close on the {split} days"
    if same is None or next_ is None:
        known = name_entry(score.entry_lag)
        note = f"Unknown: the run was scored at the {known} only. kedro atft evaluate scores both."
        return Table(title, HEADER, [], note)
    names = ("rank_ic", "rank_ic_se", "net_sharpe")
    rows, verdicts = [], []
    for horizon in same:
        own, other = (format_cells(SCORE_COLUMNS, names, scores[horizon]) for scores in (same, next_))
        rows.append([f"{horizon}d", *own[:2], *other[:2], own[2], other[2]])
        verdicts.append(compare_entries(horizon, same[horizon].rank_ic, next_[horizon].rank_ic))
    found = [verdict for verdict in verdicts if verdict]
    if not found:
        found = [f"No rank IC that is {CLEAR} errors from zero differs by more than half between the two closes."]
    return Table(title, HEADER, rows, " ".join([*found, READING]))


def compare_entries(horizon: int, same: Mean, next_: Mean) -> str | None:
    """Return a sentence if the two rank ICs of a horizon differ by more than half, else None."""
    larger = max((same, next_), key=lambda mean: abs(mean.mean or 0))
    if same.mean is None or next_.mean is None or larger.mean is None or larger.se is None:
        return None
    if abs(larger.mean) <= CLEAR * larger.se or abs(same.mean - next_.mean) <= HALF * abs(larger.mean):
        return None
    values = f"{format_number(same.mean)} at the same close and {format_number(next_.mean)} at the next"
    verdict = f"Over {horizon} d the rank IC is {values}: they differ by more than half."
    if larger is same:
        verdict += " Most of it is earned between the forecast's close and the next one, and cannot be traded."
    return verdict
