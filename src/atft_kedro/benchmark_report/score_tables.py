"""Scores of a run and its baselines: by forecaster, by half and network, by horizon, and against other runs."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from ..evaluation.baselines import ZERO
from ..evaluation.compare_baselines import compute_paired_differences, join_days
from ..evaluation.compare_runs import RunComparison
from ..evaluation.daily_statistics import Mean, average
from ..evaluation.entries import name_entry
from ..evaluation.score import EntryScore, HorizonScore, RunScore
from ..reporting.format import format_difference, format_number
from ..reporting.table import Row, Table
from ..schema import DATE
from .run_evidence import RunEvidence, describe_difference

LEARNED_BASELINES = ("ridge", "lightgbm")
METRICS = {"rank_ic": "rank IC", "ic": "IC"}
CLEAR = 2  # standard errors, from which a difference is called clear
COLUMNS = ("IC ± se", "ICIR", "rank IC ± se", "rank ICIR")
SPREAD_TITLE = "single network, mean ± deviation over seeds"
Differences = Mapping[str, Mean]  # by metric


def list_other_entries(score: RunScore) -> dict[int, EntryScore]:
    """Map the lag of each entry, except that of the targets, to its score."""
    return {lag: entry for lag, entry in score.entries.items() if lag != score.entry_lag}


def _name_other_columns(score: RunScore) -> list[str]:
    return [f"{metric} ± se, {name_entry(lag)}" for lag in list_other_entries(score) for metric in ("IC", "rank IC")]


def _format_others(scores: Sequence[HorizonScore]) -> list[str]:
    return [_format_mean(mean) for score in scores for mean in (score.ic, score.rank_ic)]


def _format_score(score: HorizonScore) -> list[str]:
    """Format the columns `COLUMNS`."""
    means = (score.ic, score.rank_ic)
    return [text for mean in means for text in (_format_mean(mean), format_number(mean.ir, 3))]


def _format_mean(mean: Mean) -> str:
    return "–" if mean.mean is None else f"{format_number(mean.mean)} ± {format_number(mean.se)}"


def tabulate_forecasters(run: RunEvidence, horizon: int, suffix: str = "") -> Table:
    """Tabulate the scores of the network, its single members and the baselines over a horizon."""
    score = run.score
    others = list_other_entries(score).values()
    other_scores = [entry.split["test"][horizon] for entry in others]
    rows = [[name_network(run), *_format_score(score.split["test"][horizon]), *_format_others(other_scores)]]
    if score.seeds:
        own, *later = ([splits["test"][horizon].score for splits in entry.seeds.values()] for entry in (score, *others))
        spreads = [spread for scores in later for spread in list(_format_spreads(scores))[::2]]
        rows.append([SPREAD_TITLE, *_format_spreads(own), *spreads])
    for name, splits in score.baselines.items():
        other_scores = [entry.baselines[name]["test"][horizon].score for entry in others]
        rows.append([name, *_format_score(splits["test"][horizon].score), *_format_others(other_scores)])
    return Table(
        f"Scores over {horizon} d{suffix}",
        ("forecaster", *COLUMNS, *_name_other_columns(score)),
        rows,
        "Means over the test days ± Newey-West standard error, and mean over deviation of the days (ICIR). IC is the "
        "Pearson correlation of a day's forecasts and returns over its stocks, rank IC the Spearman correlation; both "
        "are undefined for a forecast of zero. Reversal and momentum are rules. Ridge and LightGBM are trained on the "
        "features and train days of the network; the validation days select their penalty and number of rounds.",
    )


def name_network(run: RunEvidence) -> str:
    """Name the forecasts of a run by the number of networks."""
    count = len(run.members())
    return f"**mean of {count} networks**" if count > 1 else "**1 network**"


def _format_spreads(scores: Sequence[HorizonScore]) -> Iterator[str]:
    for metric in ("ic", "rank_ic"):
        means = [getattr(score, metric) for score in scores]
        yield format_spread([mean.mean for mean in means], 4)
        yield format_spread([mean.ir for mean in means], 3)


def format_spread(values: Sequence[float | None], digits: int) -> str:
    """Format the mean and the standard deviation of several values."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    deviation = f" ± {np.std(known, ddof=1):.{digits}f}" if len(known) > 1 else ""
    return f"{np.mean(known):.{digits}f}{deviation}"


def tabulate_robustness(run: RunEvidence, horizon: int, suffix: str = "", entry_lag: int | None = None) -> Table:
    """Tabulate differences to the learned baselines for both halves and each network."""
    days = run.read_days(horizon, entry_lag=entry_lag)
    middle = len(days) // 2
    first_half, second_half = days[:middle], days[middle:]
    baselines = {
        name: run.read_days(horizon, name, entry_lag) for name in LEARNED_BASELINES if name in run.score.baselines
    }
    halves = {
        f"first half, to {first_half[DATE][-1]}": first_half,
        f"second half, from {second_half[DATE][0]}": second_half,
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
        of_halves, of_members = ([differences[title][name]["rank_ic"] for title in part] for part in (halves, members))
        notes.append(_count_positive(name, of_halves, of_members))
    entry = "" if entry_lag is None else f", entered at the {name_entry(entry_lag)}"
    columns = (f"minus {name} in {metric}" for name in baselines for metric in ("IC", "rank IC"))
    return Table(f"Robustness{suffix}{entry}", ("", "IC", "ICIR", "rank IC", *columns), rows, " ".join(notes))


def _format_days(title: str, days: pl.DataFrame, differences: Mapping[str, Differences], horizon: int) -> Row:
    ic, rank_ic = (_average_days(days, metric, horizon) for metric in ("ic", "rank_ic"))
    formatted = [format_difference(means.get(metric)) for means in differences.values() for metric in ("ic", "rank_ic")]
    return [title, format_number(ic.mean), format_number(ic.ir, 3), format_number(rank_ic.mean), *formatted]


def _count_positive(name: str, halves: Sequence[Mean], members: Sequence[Mean]) -> str:
    """Count the halves and the networks with a higher rank IC than a baseline."""
    positive = [mean for mean in members if (mean.mean or 0) > 0]
    clear = sum(_is_clear(mean) for mean in positive)
    counts = f" and in {len(positive)} of {len(members)} networks alone ({clear} by over {CLEAR} standard errors)"
    positive_halves = sum((mean.mean or 0) > 0 for mean in halves)
    return f"Higher rank IC than {name} in {positive_halves} of 2 halves{counts if members else ''}."


def _is_clear(difference: Mean | None) -> bool:
    """Return whether a difference is more than `CLEAR` standard errors from zero."""
    if difference is None or difference.mean is None or not difference.se:
        return False
    return abs(difference.mean) > CLEAR * difference.se


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
            format_difference(baseline.differences.get("rank_ic") if baseline else None) for baseline in baselines
        ]
        other_scores = [entry.split["test"][horizon] for entry in others.values()]
        rows.append([f"{horizon} d", *_format_score(score), *_format_others(other_scores), *differences])
    columns = [f"minus {name} in rank IC" for name in names]
    columns += [f"minus {name} in rank IC, {name_entry(lag)}" for lag in others for name in names]
    return Table(
        "All horizons",
        ("horizon", *COLUMNS, *_name_other_columns(run.score), *columns),
        rows,
        "Returns over several days overlap; the Newey-West standard errors include this.",
    )


def tabulate_ablations(comparisons: Sequence[RunComparison], runs: Sequence[RunEvidence], horizon: int) -> Table:
    """Tabulate all runs, each with its differences to the first run, paired by day and seed."""
    first = runs[0]
    others = list(list_other_entries(first.score))
    scores = {(row.run, row.entry_lag): row.score for row in comparisons if row.horizon == horizon}
    rows, clear = [], list[str]()
    for run in runs:
        name = run.folder.name
        title, formatted = "**as above**", [""] * (len(METRICS) + len(others))
        if run is not first:
            title = describe_difference(run.manifest, first.manifest)
            paired = {
                f"rank IC, {name_entry(lag)}": _pair_members(run, first, horizon, "rank_ic", lag) for lag in others
            }
            own = {text: _pair_members(run, first, horizon, metric) for metric, text in METRICS.items()}
            clear += [f"{title} ({text})" for text, mean in (paired | own).items() if _is_clear(mean)]
            formatted = [format_difference(mean) for mean in (own | paired).values()]
        validation = format_number(run.score.split["validation"][horizon].rank_ic.mean)
        own_columns = [*_format_score(scores[name, first.score.entry_lag]), *formatted[: len(METRICS)]]
        other_columns = [*_format_others([scores[name, lag] for lag in others]), *formatted[len(METRICS) :]]
        origin = f"`{name}`, commit `{run.manifest['commit'][:7]}`"
        rows.append([title, str(len(run.members())), validation, *own_columns, *other_columns, origin])
    header = ["difference to the first run", "networks", "validation rank IC", *COLUMNS]
    header += [f"minus first run in {text}" for text in METRICS.values()] + _name_other_columns(first.score)
    header += [f"minus first run in rank IC, {name_entry(lag)}" for lag in others] + ["run"]
    return Table(
        "Ablations and longer histories",
        header,
        rows,
        "Each row is a run, scored on the same test days. A difference below zero means that the first run is better. "
        "The mean of more networks is better than that of fewer, so that differences are between networks of the same "
        f"seed, averaged over seeds. More than {CLEAR} standard errors from zero are: {'; '.join(clear) or 'none'}. "
        "For the other rows it is not known whether the change helps or hurts.",
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
