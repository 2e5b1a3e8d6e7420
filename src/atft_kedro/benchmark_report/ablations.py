"""What a run is worth without one of its parts, or with another past: other runs, paired with it."""

from collections.abc import Sequence

import polars as pl

from ..evaluation.compare_baselines import join_days
from ..evaluation.compare_runs import RunComparison
from ..evaluation.daily_statistics import Mean
from ..evaluation.entries import name_entry
from ..reporting.format import format_difference, format_number
from ..reporting.table import Table
from ..schema import DATE
from .run_diff import name_difference
from .run_evidence import Evidence
from .tables import METRICS, OURS, SURE, average_days, is_clear, list_others, name_others, tell_others, tell_score


def tabulate_variants(compared: Sequence[RunComparison], runs: Sequence[Evidence], horizon: int) -> Table:
    """Tell what else was trained, each paired with the first by day."""
    first, by_name = runs[0], {run.folder.name: run for run in runs}
    rows, clear = [], list[str]()
    others = list(list_others(first.score))
    scores = {(each.run, each.entry_lag): each.score for each in compared if each.horizon == horizon}
    for each in compared:
        if each.horizon == horizon and each.entry_lag == first.score.entry_lag:
            run, rated = by_name[each.run], METRICS if each.differences else ()
            title = name_difference(run.manifest, first.manifest) if each.differences else "**as above**"
            leads = {what: _pair_networks(run, first, horizon, metric) for metric, what in rated}
            later = {lag: _pair_networks(run, first, horizon, "rank_ic", lag) for lag in others if rated}
            clear += [f"{title} (rank IC, {name_entry(lag)})" for lag, lead in later.items() if is_clear(lead)]
            clear += [f"{title} ({what})" for what, lead in leads.items() if is_clear(lead)]
            validated = format_number(run.score.split["validation"][horizon].rank_ic.mean)
            paired = [format_difference(lead) for lead in leads.values()] or [""] * len(METRICS)
            made = f"`{each.run}`, commit `{run.manifest['commit'][:7]}`"
            beside = tell_others([scores[each.run, lag] for lag in others])
            beside += [format_difference(lead) for lead in later.values()] or [""] * len(others)
            rows.append([title, str(len(run.networks())), validated, *tell_score(each.score), *paired, *beside, made])
    leading = [f"its lead in {what}" for _, what in METRICS]
    beside_leads = [f"its lead in rank IC, {name_entry(lag)}" for lag in others]
    return Table(
        "What a part is worth, and a longer past",
        (
            "what differs",
            "networks",
            "validation rank IC",
            *OURS,
            *leading,
            *name_others(first.score),
            *beside_leads,
            "run",
        ),
        rows,
        "Each row is a run, on the same test days; a lead below zero says that the first run is better. The mean of "
        "more networks is better than that of fewer, so leads are paired network by network, those of the same seed, "
        f"and averaged. Further than {SURE} of its errors from zero is: {'; '.join(clear) or 'none of them'}. What is "
        "not named there is shown neither to earn its place nor to cost anything.",
    )


def _pair_networks(
    run: Evidence, first: Evidence, horizon: int, metric: str, entry_lag: int | None = None
) -> Mean | None:
    """Pair the networks of the same seeds by day, and average over them."""
    mine, theirs = run.networks(), first.networks()
    pairs = [
        join_days(run.days(horizon, mine[seed], entry_lag), first.days(horizon, theirs[seed], entry_lag), horizon)
        for seed in mine.keys() & theirs
    ]
    if not pairs:
        return None
    leads = [each.select(DATE, lead=pl.col(metric) - pl.col(f"{metric}_right")) for each in pairs]
    days = pl.concat(leads).group_by(DATE).agg(pl.col("lead").mean()).sort(DATE)
    return average_days(days, "lead", horizon)
