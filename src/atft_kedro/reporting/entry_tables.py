"""Compare the scores of a run at the same close and at the next close."""

from ..evaluation.daily_statistics import Mean
from ..evaluation.entries import name_entry
from ..evaluation.score import HorizonScore, RunScore
from ..schema import ENTRY_LAGS
from .format import format_number
from .table import Table

ENTERED = "entered at"
READING = (
    "A forecast is made from a day's close. Same close: the return counts from this close. Next close: it counts "
    "from the next close, the first that can be traded at. * marks the entry that the run was trained for."
)
CLEAR = 2  # errors from zero, for a rank IC to count as one
HALF = 0.5  # of the larger rank IC, by which the two may differ
HEAD = ("horizon", "rank IC, same close", "± se", "rank IC, next close", "± se", "net Sharpe, same close", "next close")


def mark_entry(lag: int, own: int) -> str:
    """Name an entry; add a star if the run was trained for it."""
    return name_entry(lag) + "*" * (lag == own)


def mark_horizon(horizon: int, lag: int, own: int) -> str:
    """Name a horizon and its entry in few letters, for a terminal."""
    return f"{horizon}d {name_entry(lag).removesuffix(' close')}" + "*" * (lag == own)


def tabulate_entries(score: RunScore, part: str) -> Table:
    """Tabulate rank IC and net Sharpe ratio at both closes; note rank ICs that differ by more than half."""
    same, later = (
        score.entries[lag].split[part] if lag in score.entries else None
        for lag in (ENTRY_LAGS["same_close"], ENTRY_LAGS["next_close"])
    )
    title = f"Same close and next close on the {part} days"
    if same is None or later is None:
        known = name_entry(score.entry_lag)
        return Table(
            title, HEAD, [], f"Unknown: the run was scored at the {known} only. kedro atft evaluate scores both."
        )
    rows = [_format_row(name, same[name], later[name]) for name in same]
    verdicts = [verdict for name in same if (verdict := compare_entries(name, same[name].rank_ic, later[name].rank_ic))]
    if not verdicts:
        verdicts = [f"No rank IC that is {CLEAR} errors from zero differs by more than half between the two closes."]
    return Table(title, HEAD, rows, " ".join([*verdicts, READING]))


def compare_entries(name: int, same: Mean, later: Mean) -> str | None:
    """Return a sentence if the two rank ICs of a horizon differ by more than half, else None."""
    larger = max((same, later), key=lambda each: abs(each.mean or 0))
    if same.mean is None or later.mean is None or larger.mean is None or larger.se is None:
        return None
    if abs(larger.mean) <= CLEAR * larger.se or abs(same.mean - later.mean) <= HALF * abs(larger.mean):
        return None
    values = f"{format_number(same.mean)} at the same close and {format_number(later.mean)} at the next"
    verdict = f"Over {name} d the rank IC is {values}: they differ by more than half."
    if larger is same:
        verdict += (
            " Most of it lies between the close that the forecast is made from and the next, and cannot be traded."
        )
    return verdict


def _format_row(name: int, same: HorizonScore, later: HorizonScore) -> list[str]:
    sharpes = [each.long_short.net_sharpe if each.long_short else None for each in (same, later)]
    ranks = (same.rank_ic.mean, same.rank_ic.se, later.rank_ic.mean, later.rank_ic.se)
    return [f"{name}d", *(format_number(value) for value in ranks), *(format_number(value, 2) for value in sharpes)]
