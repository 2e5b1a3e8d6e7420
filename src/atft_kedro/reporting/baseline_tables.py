"""Tables that compare a run with its baselines, its ensemble members, the oracle and published tables."""

from collections.abc import Iterator, Mapping

from ..evaluation.daily_statistics import compute_false_positive_rate
from ..evaluation.score import HorizonScore, RunScore
from .entry_tables import ENTERED, mark_entry
from .format import MISSING, format_difference, format_number
from .score_columns import SCORE_COLUMNS
from .table import Table, format_cells, list_headers

ENOUGH_PERIODS = 20  # non-overlapping; with more, |t| exceeds 2 by chance in about 5 % of samples
METRICS = {"rank_ic": ("rank IC", 1, 4), "ic": ("IC", 1, 4), "long_short_net": ("net bp a day", 1e4, 2)}
READING = (
    "Run minus baseline: mean of the daily differences on the forecasts that both have, ± standard error, and t. The "
    "`zero` baseline has an IC of 0 by definition."
)
MEMBER_COLUMNS = ("ic", "rank_ic", "ic_ir", "rank_ic_ir")


def tabulate_baselines(score: RunScore, split: str) -> Table:
    """Build the table of the run's paired differences to each baseline."""
    horizons = list(score.split[split])
    rows = []
    for name in score.baselines:
        for metric, (title, scale, digits) in METRICS.items():
            for lag, entry in score.entries.items():
                scores = entry.baselines[name].get(split, {})
                differences = [
                    format_difference(scores[horizon].differences.get(metric), scale, digits)
                    if horizon in scores
                    else MISSING
                    for horizon in horizons
                ]
                rows.append([name, title, mark_entry(lag, score.entry_lag), *differences])
    return Table(
        f"Difference to the baselines on the {split} days",
        ("baseline", "in", ENTERED, *(f"{horizon}d" for horizon in horizons)),
        rows,
        " ".join([READING, *_warn_of_few_periods(score.split[split])]),
    )


def _warn_of_few_periods(horizons: Mapping[int, HorizonScore]) -> Iterator[str]:
    """Name horizons with few non-overlapping periods, and how often |t| exceeds 2 by chance there."""
    for horizon, score in horizons.items():
        days = score.rank_ic.days
        if 2 * horizon <= days < ENOUGH_PERIODS * horizon:
            periods, one_in = days / horizon, 1 / compute_false_positive_rate(days, horizon)
            yield (
                f"{days} days are {periods:.3g} non-overlapping periods of {horizon} d: |t| exceeds 2 by chance in 1 "
                f"of {one_in:.0f} such samples."
            )


def tabulate_members(score: RunScore, split: str) -> Table:
    """Build the table of each ensemble member's own score, and the ensemble's difference to it."""
    rows = []
    for horizon in score.split[split]:
        for lag, entry in score.entries.items():
            for seed, splits in entry.seeds.items():
                if member := splits.get(split, {}).get(horizon):
                    cells = format_cells(SCORE_COLUMNS, MEMBER_COLUMNS, member.score)
                    difference = format_difference(member.differences.get("rank_ic"))
                    rows.append([f"{horizon}d", mark_entry(lag, score.entry_lag), seed, *cells, difference])
    return Table(
        f"Each ensemble member on the {split} days",
        ("horizon", ENTERED, "seed", *list_headers(SCORE_COLUMNS, MEMBER_COLUMNS), "ensemble minus member, rank IC"),
        rows,
    )


def tabulate_published(score: RunScore) -> Table:
    """Build the table of the columns that published tables of stock ranking have."""
    rows = []
    for name in score.published:
        for lag, entry in score.entries.items():
            values = entry.published[name]
            digits = ((values.ic, 4), (values.ric, 3), (values.precision, 3), (values.sharpe, 2))
            rows.append([name, mark_entry(lag, score.entry_lag), *(format_number(*value) for value in digits)])
    return Table(
        "Columns of published tables, for the next day on the test days",
        ("forecaster", ENTERED, "IC", '"RIC"', "prec@10", "SR"),
        rows,
        'Computed as published tables do. There "RIC" is the daily IC\'s mean divided by its deviation. prec@10 and SR '
        "(of the five best stocks, without costs) hardly distinguish good forecasts from random ones.",
    )


def tabulate_oracle(score: RunScore, split: str) -> Table:
    """Build the table of the oracle's IC and the share that the run reaches."""
    rows = []
    for horizon in score.oracle[split]:
        for lag, entry in score.entries.items():
            oracle = entry.oracle.get(split, {}).get(horizon)
            if oracle is not None:
                own, best = entry.split[split].get(horizon), oracle.ic.mean
                ic = own.ic.mean if own else None
                share = MISSING if ic is None or not best else f"{ic / best:.1%}"
                cells = format_cells(SCORE_COLUMNS, ("ic", "ic_se"), oracle)
                rows.append([f"{horizon}d", mark_entry(lag, score.entry_lag), *cells, share])
    return Table(
        f"The oracle of the simulated market on the {split} days",
        ("horizon", ENTERED, "oracle's IC", "± se", "share that the run reaches"),
        rows,
        "The oracle is the best possible forecast: the conditional expectation of each entry's returns under the "
        "simulation's own parameters.",
    )
