"""The columns that published tables print, of every forecaster here and of luck."""

from collections.abc import Sequence

from ..evaluation.compare_baselines import NETWORK
from ..evaluation.entries import name_entry
from ..evaluation.published import PublishedScore
from ..reporting.format import format_number
from ..reporting.table import Row, Table
from ..schema import DATE, MEMBER_PREFIX
from .published_results import CAUTION, FIRST, LAST, STOCKS, TABLE
from .random_baseline import Luck
from .run_diff import name_difference
from .run_evidence import Evidence
from .tables import list_others, name_ours, say_spread

WEEK = 7  # days
FAR = 2  # deviations of luck
COLUMNS = (("ic", 4), ("ric", 3), ("precision", 3), ("sharpe", 2))  # with their digits
READING = (
    'Stocks without a return that day lie at (0, 0) in the correlation, "RIC" is the mean '
    "of the daily ICs over their deviation, prec@10 the share of the ten highest forecasts whose return is not "
    "negative, SR mean over deviation of the five highest's mean return, times 15.87, without costs."
)


def tabulate_columns(runs: Sequence[Evidence], luck: Luck) -> Table:
    """Tell what published tables would print of the next day, beside luck and, of the same stocks and days, them."""
    run = runs[0]
    published = dict(run.score.published)
    rows: list[Row] = [[name_ours(run), *_tell(published.pop(NETWORK))]]
    alone = [published.pop(name) for name in list(published) if name.startswith(MEMBER_PREFIX)]
    if alone:
        spreads = [say_spread([getattr(each, column) for each in alone], digits) for column, digits in COLUMNS]
        rows.append(["one network, mean ± deviation over seeds", *spreads])
    rows += [[name, *_tell(told)] for name, told in published.items()]
    for lag, entry in list_others(run.score).items():
        names = {name: name_ours(run) if name == NETWORK else name for name in (NETWORK, *published)}
        rows += [[f"{title}, {name_entry(lag)}", *_tell(entry.published[name])] for name, title in names.items()]
    rows += [
        [f"ours, {name_difference(each.manifest, run.manifest)}", *_tell(each.score.published[NETWORK])]
        for each in runs[1:]
        if each.score.published
    ]
    rows += [
        ["random forecasts ± deviation", *(_say_luck(luck, column, digits) for column, digits in COLUMNS)],
        ["every stock, held", "–", "–", "–", format_number(luck.everything, 2)],
    ]
    notes = [READING, _separate(list(run.score.published.values()), luck)]
    if is_published(run):
        rows += [
            [
                f"*{row.name}, as printed*",
                format_number(row.ic, 3),
                format_number(row.ric, 3),
                format_number(row.precision, 3),
                format_number(row.sharpe, 2),
            ]
            for row in TABLE
        ]
        notes.append(CAUTION)
    return Table("As published tables count", ("forecaster", "IC", '"RIC"', "prec@10", "SR"), rows, " ".join(notes))


def _tell(told: PublishedScore) -> list[str]:
    return [format_number(getattr(told, column), digits) for column, digits in COLUMNS]


def _say_luck(luck: Luck, column: str, digits: int) -> str:
    mean, deviation = luck.spread(column)
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def _separate(told: Sequence[PublishedScore], luck: Luck) -> str:
    """Say how many forecasters the last two columns tell from luck."""
    counts = {}
    for column in ("precision", "sharpe"):
        mean, deviation = luck.spread(column)
        known = [value for each in told if (value := getattr(each, column)) is not None]
        counts[column] = f"{sum(abs(value - mean) <= FAR * deviation for value in known)} of {len(known)}"
    return (
        f"What the last two columns tell of a forecaster: within {FAR} deviations of random forecasts lie "
        f"{counts['precision']} in prec@10 and {counts['sharpe']} in SR, and holding every stock has an SR of "
        f"{luck.everything:.2f}."
    )


def is_published(run: Evidence) -> bool:
    """Say whether a run is tested on what the published tables are: their stocks, each the trading day before."""
    tested = run.days(1)[DATE]
    if not len(tested):
        return False
    gaps = ((FIRST - tested[0]).days, (LAST - tested[-1]).days)
    return all(0 < gap < WEEK for gap in gaps) and abs(run.count_stocks() - STOCKS) < STOCKS / 100
