"""Tables that compare a run with its baselines, its ensemble members and the oracle, and metrics as in papers."""

from collections.abc import Iterator, Mapping

from ..evaluation.daily_statistics import compute_false_positive_rate
from ..evaluation.oracle_comparison import OracleComparison
from ..evaluation.score import HorizonScore, RunScore
from .entry_tables import ENTRY_HEADER, mark_entry
from .score_columns import DIFFERENCE_COLUMNS, MEMBER_COLUMNS, ORACLE_COLUMNS, PUBLISHED_COLUMNS, SCORE_COLUMNS
from .table import Table, format_cells, list_headers

MIN_PERIODS_FOR_T = 20  # from so many non-overlapping periods on, |t| exceeds 2 by chance in about 5 % of samples
BASELINE_NOTE = (
    "Run minus baseline: mean of the daily differences on the forecasts that run and baseline share, ± standard error, "
    "and t. The `zero` baseline has an IC of 0 by definition. Net bp: return of the long-short portfolio after costs."
)


def tabulate_baselines(score: RunScore, split: str) -> Table:
    """Build the table of the run's paired differences from each baseline."""
    horizons = list(score.split[split])
    rows = []
    for name in score.baselines:
        for column in DIFFERENCE_COLUMNS.values():
            for lag, entry in score.entries.items():
                scores = entry.baselines[name].get(split, {})
                differences = [scores[horizon].differences if horizon in scores else {} for horizon in horizons]
                cells = [column.format(column.compute(difference)) for difference in differences]
                rows.append([name, column.header, mark_entry(lag, score.entry_lag), *cells])
    return Table(
        f"Difference from the baselines on the {split} days",
        ("baseline", "metric", ENTRY_HEADER, *(f"{horizon}d" for horizon in horizons)),
        rows,
        " ".join([BASELINE_NOTE, *_warn_of_few_periods(score.split[split])]),
    )


def _warn_of_few_periods(horizons: Mapping[int, HorizonScore]) -> Iterator[str]:
    """Yield how often |t| exceeds 2 without skill, for each horizon with few non-overlapping periods.

    Horizons with fewer than two periods have no standard error, so no t to warn of.
    """
    for horizon, score in horizons.items():
        days = score.rank_ic.days
        if 2 * horizon <= days < MIN_PERIODS_FOR_T * horizon:
            periods, one_in = days / horizon, 1 / compute_false_positive_rate(days, horizon)
            yield (
                f"{days} days contain only {periods:.3g} non-overlapping periods of {horizon} d: without skill, "
                f"|t| > 2 occurs in about 1 of {one_in:.0f} such samples."
            )


def tabulate_members(score: RunScore, split: str) -> Table:
    """Build the table of each ensemble member's score, and the ensemble's difference to it."""
    rows = []
    for horizon in score.split[split]:
        for lag, entry in score.entries.items():
            for seed, splits in entry.seeds.items():
                if member := splits.get(split, {}).get(horizon):
                    cells = format_cells(SCORE_COLUMNS, MEMBER_COLUMNS, member.score)
                    cells += format_cells(DIFFERENCE_COLUMNS, ("rank_ic",), member.differences)
                    rows.append([f"{horizon}d", mark_entry(lag, score.entry_lag), seed, *cells])
    headers = list_headers(SCORE_COLUMNS, MEMBER_COLUMNS)
    difference = f"ensemble minus member, {DIFFERENCE_COLUMNS['rank_ic'].header}"
    header = ("horizon", ENTRY_HEADER, "seed", *headers, difference)
    return Table(f"Each ensemble member on the {split} days", header, rows)


def tabulate_published(score: RunScore) -> Table:
    """Build a table with the metrics that papers on stock ranking report."""
    rows = [
        [
            name,
            mark_entry(lag, score.entry_lag),
            *format_cells(PUBLISHED_COLUMNS, PUBLISHED_COLUMNS, entry.published[name]),
        ]
        for name in score.published
        for lag, entry in score.entries.items()
    ]
    return Table(
        "Metrics as in published papers (one-day horizon, test days)",
        ("forecaster", ENTRY_HEADER, *list_headers(PUBLISHED_COLUMNS, PUBLISHED_COLUMNS)),
        rows,
        'Computed as in the papers. There "RIC" is the mean of the daily IC divided by its standard deviation. prec@10 '
        "and SR (of the five stocks with the highest forecasts, without costs) hardly distinguish good forecasts from "
        "random ones.",
    )


def tabulate_oracle(score: RunScore, split: str) -> Table:
    """Build the table of the oracle's IC, and the run's IC as a share of it."""
    rows, columns = [], ("oracle_ic", "oracle_ic_se", "share")
    for horizon in score.oracle[split]:
        for lag, entry in score.entries.items():
            oracle = entry.oracle.get(split, {}).get(horizon)
            if oracle is not None:
                share = OracleComparison(horizon, entry.split[split][horizon].ic, oracle.ic)
                cells = format_cells(ORACLE_COLUMNS, columns, share)
                rows.append([f"{horizon}d", mark_entry(lag, score.entry_lag), *cells])
    return Table(
        f"The oracle of the simulated market on the {split} days",
        ("horizon", ENTRY_HEADER, *list_headers(ORACLE_COLUMNS, columns)),
        rows,
        "The oracle is the best possible forecast: the expected return, given the simulation's true parameters.",
    )
