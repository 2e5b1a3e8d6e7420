"""What a run is worth beside others, whether that holds, and over every horizon."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from ..evaluation.baselines import ZERO
from ..evaluation.compare_baselines import compute_paired_differences, join_days
from ..evaluation.daily_statistics import Mean, average
from ..evaluation.entries import name_entry
from ..evaluation.score import BaselineScore, EntryScore, HorizonScore, RunScore
from ..reporting.format import format_difference, format_number
from ..reporting.table import Row, Table
from ..schema import DATE, MEMBER_PREFIX
from .run_evidence import Evidence

STRONG = ("ridge", "lightgbm")  # the baselines that learn
METRICS = (("rank_ic", "rank IC"), ("ic", "IC"))
SURE = 2  # errors from zero, for a lead to be one
OURS = ("IC ± se", "ICIR", "rank IC ± se", "rank ICIR")


def list_others(score: RunScore) -> dict[int, EntryScore]:
    """List the score at the entries that the run was not trained for, by their lag."""
    return {lag: entry for lag, entry in score.entries.items() if lag != score.entry_lag}


def name_others(score: RunScore) -> list[str]:
    """Name the two columns of each such entry that stand beside `OURS`."""
    return [f"{metric} ± se, {name_entry(lag)}" for lag in list_others(score) for metric in ("IC", "rank IC")]


def tell_others(others: Sequence[HorizonScore]) -> list[str]:
    """Format the values of those columns."""
    return [_with_error(mean) for told in others for mean in (told.ic, told.rank_ic)]


def tabulate_beside(run: Evidence, horizon: int, past: str = "") -> Table:
    """Tell what each forecaster is worth over a horizon; ``past`` is what to say of the days that they learned from."""
    score = run.score
    others = list_others(score).values()
    later = [entry.split["test"][horizon] for entry in others]
    rows = [[name_ours(run), *tell_score(score.split["test"][horizon]), *tell_others(later)]]
    if score.seeds:
        alone = [[parts["test"][horizon].score for parts in entry.seeds.values()] for entry in (score, *others)]
        spreads = [spread for entry in alone[1:] for spread in list(_tell_spread(entry))[::2]]
        rows.append(["one network, mean ± deviation over seeds", *_tell_spread(alone[0]), *spreads])
    for each, parts in score.baselines.items():
        later = [entry.baselines[each]["test"][horizon].score for entry in others]
        rows.append([each, *tell_score(parts["test"][horizon].score), *tell_others(later)])
    return Table(
        f"Over {horizon} d, beside the baselines{past}",
        ("forecaster", *OURS, *name_others(score)),
        rows,
        "Means over the test days, their Newey-West errors, and mean over deviation of the days. IC is a day's Pearson "
        "correlation of forecasts and returns over its stocks, rank IC Spearman's; a forecast of zero has none. "
        "Reversal and momentum are rules; ridge and LightGBM learn from the network's features and train days, and the "
        "validation days choose their penalty and their rounds.",
    )


def name_ours(run: Evidence) -> str:
    """Name a run's forecasts."""
    count = len(run.networks())
    return f"**mean of {count} networks**" if count > 1 else "**1 network**"


def tell_score(told: HorizonScore) -> list[str]:
    """Tell the four columns that are `OURS`."""
    return [
        _with_error(told.ic),
        format_number(told.ic.ir, 3),
        _with_error(told.rank_ic),
        format_number(told.rank_ic.ir, 3),
    ]


def _with_error(mean: Mean) -> str:
    return "–" if mean.mean is None else f"{format_number(mean.mean)} ± {format_number(mean.se)}"


def _tell_spread(alone: Sequence[HorizonScore]) -> Iterator[str]:
    """Average each column over the networks."""
    for metric in ("ic", "rank_ic"):
        means = [getattr(each, metric) for each in alone]
        yield say_spread([each.mean for each in means], 4)
        yield say_spread([each.ir for each in means], 3)


def say_spread(values: Sequence[float | None], digits: int) -> str:
    """Write the mean of several values, and how far they lie apart."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    deviation = f" ± {np.std(known, ddof=1):.{digits}f}" if len(known) > 1 else ""
    return f"{np.mean(known):.{digits}f}{deviation}"


def tabulate_hold(run: Evidence, horizon: int, past: str = "", entry_lag: int | None = None) -> Table:
    """Tell whether the lead over the baselines that learn holds in both halves of the test days and in each network."""
    mine = run.days(horizon, entry_lag=entry_lag)
    entry = "" if entry_lag is None else f", entered at the {name_entry(entry_lag)}"
    half = mine[DATE][len(mine) // 2]
    rivals = {name: run.days(horizon, name, entry_lag) for name in STRONG if name in run.score.baselines}
    stretches = {
        "all test days": mine,
        f"first half, to {mine[DATE][len(mine) // 2 - 1]}": mine.filter(pl.col(DATE) < half),
        f"second half, from {half}": mine.filter(pl.col(DATE) >= half),
    }
    alone = {f"network {name} alone": run.days(horizon, MEMBER_PREFIX + name, entry_lag) for name in run.score.seeds}
    leads = {
        title: {
            name: compute_paired_differences(join_days(days, theirs, horizon), horizon)
            for name, theirs in rivals.items()
        }
        for title, days in (stretches | alone).items()
    }
    rows = [_tell_days(title, days, leads[title], horizon) for title, days in (stretches | alone).items()]
    verdicts = [_judge(name, [leads[title][name] for title in stretches], leads, alone) for name in rivals]
    return Table(
        f"Does it hold{past}{entry}?",
        ("", "IC", "ICIR", "rank IC", *(f"ahead of {name} in {what}" for name in rivals for what in ("IC", "rank IC"))),
        rows,
        " ".join(["Leads are paired by day, ± their Newey-West error, with t.", *verdicts]),
    )


Leads = Mapping[str, Mean]


def _tell_days(title: str, days: pl.DataFrame, leads: Mapping[str, Leads], horizon: int) -> Row:
    ic, rank_ic = (average_days(days, metric, horizon) for metric in ("ic", "rank_ic"))
    told = [format_difference(lead.get(metric)) for lead in leads.values() for metric in ("ic", "rank_ic")]
    return [title, format_number(ic.mean), format_number(ic.ir, 3), format_number(rank_ic.mean), *told]


def _judge(
    name: str, stretches: Sequence[Leads], leads: Mapping[str, Mapping[str, Leads]], alone: Mapping[str, object]
) -> str:
    """Say in words in how many halves and networks the lead in rank IC is one."""
    halves = sum((lead["rank_ic"].mean or 0) > 0 for lead in stretches[1:])
    networks = sum((leads[title][name]["rank_ic"].mean or 0) > 0 for title in alone)
    sure = sum(is_clear(lead := leads[title][name]["rank_ic"]) and (lead.mean or 0) > 0 for title in alone)
    counted = f" and in {networks} of {len(alone)} networks alone ({sure} by over {SURE} errors)" if alone else ""
    return f"Ahead of {name} in rank IC in {halves} of 2 halves{counted}."


def is_clear(lead: Mean | None) -> bool:
    """Say whether a lead is further from zero than its error explains."""
    return lead is not None and lead.mean is not None and bool(lead.se) and abs(lead.mean) > SURE * (lead.se or 0)


def average_days(days: pl.DataFrame, metric: str, horizon: int) -> Mean:
    """Average a column of days."""
    values = days[metric].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return average(values, horizon, days[metric].is_not_null().to_numpy())


def tabulate_horizons(run: Evidence) -> Table:
    """Tell every horizon, and the lead there."""
    rows = []
    names, others = [name for name in run.score.baselines if name != ZERO], list_others(run.score)
    for horizon, told in run.score.split["test"].items():
        rivals = [run.score.baselines[name]["test"].get(horizon) for name in names]
        later = [entry.split["test"][horizon] for entry in others.values()]
        beside = [entry.baselines[name]["test"].get(horizon) for entry in others.values() for name in names]
        leads = [_say_rival(rival) for rival in (*rivals, *beside)]
        rows.append([f"{horizon} d", *tell_score(told), *tell_others(later), *leads])
    head = [f"ahead of {name} in rank IC" for name in names]
    head += [f"ahead of {name} in rank IC, {name_entry(lag)}" for lag in others for name in names]
    return Table(
        "All horizons",
        ("horizon", *OURS, *name_others(run.score), *head),
        rows,
        "Returns over several days overlap; the errors know it.",
    )


def _say_rival(rival: BaselineScore | None) -> str:
    return "–" if rival is None else format_difference(rival.differences.get("rank_ic"))
