"""What a run is worth without one of its parts, or with another past: other runs, paired with it."""

from collections.abc import Sequence

import polars as pl

from ...evaluation.judging import pair_days
from ...schema import DATE
from ..comparison import Compared
from ..grid import Grid
from ..saying import say_lead
from .evidence import Evidence
from .recipe import name_difference
from .tables import OURS, average_days, tell_score


def tabulate_variants(compared: Sequence[Compared], runs: Sequence[Evidence], horizon: int) -> Grid:
    """Tell what else was trained, each paired with the first by day."""
    first, by_name = runs[0], {run.folder.name: run for run in runs}
    rows = []
    for each in compared:
        if each.horizon == horizon:
            title = name_difference(by_name[each.run].manifest, first.manifest) if each.ahead else "**as above**"
            run = by_name[each.run]
            count = str(len(run.networks()))
            lead = (
                [say_lead(each.ahead.get("rank_ic")), _say_lead_by_seed(run, first, horizon)]
                if each.ahead
                else ["", ""]
            )
            rows.append([title, count, *tell_score(each.score), *lead, f"`{each.run}`"])
    head = ("what differs", "networks", *OURS, "its lead in rank IC", "the same, network by network", "run")
    return Grid(
        "What a part is worth, and a longer past",
        head,
        rows,
        "Each row is a run, on the same test days; a lead below zero says that the first run is better. The mean of "
        "more networks is better than that of fewer: network by network, those of the same seed are paired, and the "
        "lead is the mean over them.",
    )


def _say_lead_by_seed(run: Evidence, first: Evidence, horizon: int) -> str:
    """Pair the networks of the same seeds by day, and average over them."""
    mine, theirs = run.networks(), first.networks()
    pairs = [
        pair_days(run.days(horizon, mine[seed]), first.days(horizon, theirs[seed]), horizon)
        for seed in mine.keys() & theirs
    ]
    if not pairs:
        return "–"
    leads = [each.select(DATE, lead=pl.col("rank_ic") - pl.col("rank_ic_right")) for each in pairs]
    days = pl.concat(leads).group_by(DATE).agg(rank_ic=pl.col("lead").mean()).sort(DATE)
    return say_lead(average_days(days, "rank_ic", horizon))
