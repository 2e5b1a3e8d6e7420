"""Tables of a run's scores: by forecaster, by half and network, by horizon, and compared with other runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from ..evaluation.baselines import ZERO
from ..evaluation.compare_baselines import compute_paired_differences, join_days
from ..evaluation.compare_runs import RunComparison
from ..evaluation.daily_statistics import Mean, average
from ..evaluation.entries import name_entry
from ..evaluation.score import EntryScore, HorizonScore, RunScore
from ..reporting.format import MISSING, format_difference
from ..reporting.score_columns import (
    BENCHMARK_COLUMNS,
    BENCHMARK_OTHER_COLUMNS,
    CORRELATION_COLUMNS,
    DIFFERENCE_COLUMNS,
    ROBUSTNESS_COLUMNS,
    SCORE_COLUMNS,
    SPREAD_COLUMNS,
    SPREAD_OTHER_COLUMNS,
)
from ..reporting.table import Row, Table, format_cells, list_headers
from ..schema import DATE
from .run_evidence import RunEvidence, describe_difference

COMPARED_METRICS = ("rank_ic", "ic")
LEARNED_BASELINES = ("ridge", "lightgbm")
SIGNIFICANT_STANDARD_ERRORS = 2  # a difference of more than so many standard errors is clear
SPREAD_TITLE = "single network, mean ± standard deviation over seeds"
Differences = Mapping[str, Mean]  # by metric


class DayMeans(NamedTuple):
    """Means over some days."""

    ic: Mean
    rank_ic: Mean


def list_other_entries(score: RunScore) -> dict[int, EntryScore]:
    """Map the lag of each entry, except that of the targets, to its score."""
    return {lag: entry for lag, entry in score.entries.items() if lag != score.entry_lag}


def _list_score_headers(score: RunScore) -> list[str]:
    """List the headers of the cells of `_format_score`."""
    others = list_headers(SCORE_COLUMNS, BENCHMARK_OTHER_COLUMNS)
    other_headers = [f"{header}, {name_entry(lag)}" for lag in list_other_entries(score) for header in others]
    return list_headers(SCORE_COLUMNS, BENCHMARK_COLUMNS) + other_headers


def _format_score(own: HorizonScore, others: Iterable[HorizonScore]) -> list[str]:
    """Format the scores of a forecaster at the entry of the targets, and at the other entries."""
    cells = format_cells(SCORE_COLUMNS, BENCHMARK_COLUMNS, own)
    return cells + [cell for score in others for cell in format_cells(SCORE_COLUMNS, BENCHMARK_OTHER_COLUMNS, score)]


def tabulate_forecasters(run: RunEvidence, horizon: int, suffix: str = "") -> Table:
    """Tabulate the scores of the network, its single members and the baselines over a horizon."""
    score = run.score
    entries = (score, *list_other_entries(score).values())
    own, *others = (entry.split["test"][horizon] for entry in entries)
    rows = [[name_network(run), *_format_score(own, others)]]
    if score.seeds:
        members, *later = ([splits["test"][horizon].score for splits in entry.seeds.values()] for entry in entries)
        spreads = [spread for scores in later for spread in _format_spreads(scores, SPREAD_OTHER_COLUMNS)]
        rows.append([SPREAD_TITLE, *_format_spreads(members, SPREAD_COLUMNS), *spreads])
    for name in score.baselines:
        own, *others = (entry.baselines[name]["test"][horizon].score for entry in entries)
        rows.append([name, *_format_score(own, others)])
    return Table(
        f"Scores over {horizon} d{suffix}",
        ("forecaster", *_list_score_headers(score)),
        rows,
        "Means over the test days ± Newey-West standard error; ICIR is the mean divided by the standard deviation of "
        "the days. IC is the Pearson correlation of forecasts and returns over the stocks of a day, rank IC the "
        "Spearman correlation; both are undefined for the forecast zero. Ridge and LightGBM are trained on the "
        "features and train days of the network; the validation days select their penalty and number of trees. The "
        "other baselines are rules.",
    )


def name_network(run: RunEvidence) -> str:
    """Name the forecasts of a run by the number of networks."""
    count = len(run.members())
    return f"**mean of {count} networks**" if count > 1 else "**1 network**"


def _format_spreads(scores: Sequence[HorizonScore], names: Iterable[str]) -> list[str]:
    columns = [SCORE_COLUMNS[name] for name in names]
    return [format_spread([column.compute(score) for score in scores], column.format) for column in columns]


def format_spread(values: Iterable[float | None], format_value: Callable[[float], str]) -> str:
    """Format the mean and the standard deviation of several values."""
    known = [value for value in values if value is not None]
    if not known:
        return MISSING
    deviation = f" ± {format_value(float(np.std(known, ddof=1)))}" if len(known) > 1 else ""
    return f"{format_value(float(np.mean(known)))}{deviation}"


def tabulate_robustness(run: RunEvidence, horizon: int, suffix: str = "", entry_lag: int | None = None) -> Table:
    """Tabulate differences to the learned baselines for both halves and each network."""
    days = run.read_days(horizon, entry_lag=entry_lag)
    first, second = days[: len(days) // 2], days[len(days) // 2 :]
    halves = {f"first half, to {first[DATE][-1]}": first, f"second half, from {second[DATE][0]}": second}
    baselines = {
        name: run.read_days(horizon, name, entry_lag) for name in LEARNED_BASELINES if name in run.score.baselines
    }
    members = {
        f"network {seed} alone": run.read_days(horizon, forecaster, entry_lag)
        for seed, forecaster in (run.members().items() if run.score.seeds else ())
    }
    rows, differences = [], dict[str, dict[str, Differences]]()
    for title, table in ({"all test days": days} | halves | members).items():
        differences[title] = {
            name: compute_paired_differences(join_days(table, baseline, horizon), horizon)
            for name, baseline in baselines.items()
        }
        rows.append(_format_days(title, table, differences[title], horizon))
    notes = ["Differences are paired by day, ± their Newey-West standard error, with t."]
    for name in baselines:
        groups = ([differences[title][name]["rank_ic"] for title in group] for group in (halves, members))
        notes.append(_count_positive(name, *groups))
    entry = "" if entry_lag is None else f", entered at the {name_entry(entry_lag)}"
    metrics = list_headers(DIFFERENCE_COLUMNS, COMPARED_METRICS)
    columns = (f"minus {name} in {metric}" for name in baselines for metric in metrics)
    header = ("", *list_headers(CORRELATION_COLUMNS, ROBUSTNESS_COLUMNS), *columns)
    return Table(f"Robustness{suffix}{entry}", header, rows, " ".join(notes))


def _format_days(title: str, days: pl.DataFrame, differences: Mapping[str, Differences], horizon: int) -> Row:
    means = DayMeans(_average_days(days, "ic", horizon), _average_days(days, "rank_ic", horizon))
    cells = format_cells(CORRELATION_COLUMNS, ROBUSTNESS_COLUMNS, means)
    for baseline_differences in differences.values():
        cells += format_cells(DIFFERENCE_COLUMNS, COMPARED_METRICS, baseline_differences)
    return [title, *cells]


def _count_positive(name: str, halves: Sequence[Mean], members: Sequence[Mean]) -> str:
    """Count the halves and the networks with a higher rank IC than a baseline."""
    positive = [mean for mean in members if (mean.mean or 0) > 0]
    clear = f"{sum(map(_is_clear, positive))} by over {SIGNIFICANT_STANDARD_ERRORS} standard errors"
    counts = f" and in {len(positive)} of {len(members)} networks alone ({clear})"
    positive_halves = sum((mean.mean or 0) > 0 for mean in halves)
    return f"Higher rank IC than {name} in {positive_halves} of 2 halves{counts if members else ''}."


def _is_clear(difference: Mean | None) -> bool:
    """Return whether a difference is more than `SIGNIFICANT_STANDARD_ERRORS` standard errors from zero."""
    if difference is None or difference.mean is None or not difference.se:
        return False
    return abs(difference.mean) > SIGNIFICANT_STANDARD_ERRORS * difference.se


def _average_days(days: pl.DataFrame, metric: str, horizon: int) -> Mean:
    values = days[metric].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return average(values, horizon, days[metric].is_not_null().to_numpy())


def tabulate_horizons(run: RunEvidence) -> Table:
    """Tabulate the scores of each horizon, and the differences in rank IC to the baselines."""
    names = [name for name in run.score.baselines if name != ZERO]
    others = list_other_entries(run.score)
    rows = []
    for horizon, score in run.score.split["test"].items():
        baselines = [
            entry.baselines[name]["test"].get(horizon) for entry in (run.score, *others.values()) for name in names
        ]
        differences = [
            cell
            for baseline in baselines
            for cell in format_cells(DIFFERENCE_COLUMNS, ("rank_ic",), baseline.differences if baseline else {})
        ]
        other_scores = [entry.split["test"][horizon] for entry in others.values()]
        rows.append([f"{horizon} d", *_format_score(score, other_scores), *differences])
    metric = DIFFERENCE_COLUMNS["rank_ic"].header
    columns = [f"minus {name} in {metric}" for name in names]
    columns += [f"minus {name} in {metric}, {name_entry(lag)}" for lag in others for name in names]
    return Table(
        "All horizons",
        ("horizon", *_list_score_headers(run.score), *columns),
        rows,
        "Returns over several days overlap; the Newey-West standard errors include this.",
    )


def tabulate_ablations(comparisons: Sequence[RunComparison], runs: Sequence[RunEvidence], horizon: int) -> Table:
    """Tabulate all runs, each with its differences to the first run, paired by day and seed."""
    first = runs[0]
    others = list(list_other_entries(first.score))
    headers = {metric: DIFFERENCE_COLUMNS[metric].header for metric in COMPARED_METRICS}
    compared: dict[str, tuple[str, int | None]] = {header: (metric, None) for metric, header in headers.items()}
    compared |= {f"{headers['rank_ic']}, {name_entry(lag)}": ("rank_ic", lag) for lag in others}
    scores = {(row.run, row.entry_lag): row.score for row in comparisons if row.horizon == horizon}
    rows, clear = [], list[str]()
    for run in runs:
        name, title, differences = run.folder.name, "**as above**", [""] * len(compared)
        if run is not first:
            title = describe_difference(run.manifest, first.manifest)
            means = {text: _pair_members(run, first, horizon, *choice) for text, choice in compared.items()}
            clear += [f"{title} ({text})" for text, mean in means.items() if _is_clear(mean)]
            differences = [format_difference(mean) for mean in means.values()]
        validation = format_cells(SCORE_COLUMNS, ("rank_ic",), run.score.split["validation"][horizon])
        cells = _format_score(scores[name, first.score.entry_lag], [scores[name, lag] for lag in others])
        origin = f"`{name}`, commit `{run.manifest['commit'][:7]}`"
        rows.append([title, str(len(run.members())), *validation, *cells, *differences, origin])
    differences = [f"minus first run in {text}" for text in compared]
    header = ["difference to the first run", "networks", f"validation {headers['rank_ic']}"]
    header += _list_score_headers(first.score)
    return Table(
        "Ablations and longer histories",
        (*header, *differences, "run"),
        rows,
        "Each row is a run, scored on the same test days. A difference below zero means that the first run is better. "
        "The mean of more networks is better than that of fewer; therefore differences are between networks of the "
        f"same seed, averaged over seeds. More than {SIGNIFICANT_STANDARD_ERRORS} standard errors from zero are: "
        f"{'; '.join(clear) or 'none'}. For the other rows it is not known whether the change helps or hurts.",
    )


def _pair_members(
    run: RunEvidence, first: RunEvidence, horizon: int, metric: str, entry_lag: int | None = None
) -> Mean | None:
    """Average the daily differences of networks of the same seed; None without common seeds."""
    members, first_members = run.members(), first.members()
    pairs = [
        join_days(
            run.read_days(horizon, members[seed], entry_lag),
            first.read_days(horizon, first_members[seed], entry_lag),
            horizon,
        )
        for seed in members.keys() & first_members
    ]
    if not pairs:
        return None
    differences = [pair.select(DATE, difference=pl.col(metric) - pl.col(f"{metric}_right")) for pair in pairs]
    days = pl.concat(differences).group_by(DATE).agg(pl.col("difference").mean()).sort(DATE)
    return _average_days(days, "difference", horizon)
