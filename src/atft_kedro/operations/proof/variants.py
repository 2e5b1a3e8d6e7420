"""What a run is worth without one of its parts, or with another past: other runs, paired with it."""

from collections.abc import Sequence

import polars as pl

from ...evaluation.judging import pair_days
from ...evaluation.series import Mean
from ...schema import DATE
from ..comparison import Compared
from ..grid import Grid
from ..saying import say_lead
from .evidence import Evidence
from .recipe import name_difference
from .tables import OURS, average_days, tell_score

SURE = 2  # errors from zero, for a lead to be one


def tabulate_variants(compared: Sequence[Compared], runs: Sequence[Evidence], horizon: int) -> Grid:
    """Tell what else was trained, each paired with the first by day."""
    first, by_name = runs[0], {run.folder.name: run for run in runs}
    rows, clear = [], list[str]()
    for each in compared:
        if each.horizon == horizon:
            title = name_difference(by_name[each.run].manifest, first.manifest) if each.ahead else "**as above**"
            run = by_name[each.run]
            count = str(len(run.networks()))
            paired = _pair_networks(run, first, horizon) if each.ahead else None
            if paired is not None and paired.mean is not None and paired.se and abs(paired.mean) > SURE * paired.se:
                clear.append(title)
            lead = [say_lead(each.ahead.get("rank_ic")), say_lead(paired)] if each.ahead else ["", ""]
            rows.append([title, count, *tell_score(each.score), *lead, f"`{each.run}`"])
    head = ("what differs", "networks", *OURS, "its lead in rank IC", "the same, network by network", "run")
    return Grid(
        "What a part is worth, and a longer past",
        head,
        rows,
        "Each row is a run, on the same test days; a lead below zero says that the first run is better. The mean of "
        "more networks is better than that of fewer: network by network, those of the same seed are paired, and the "
        f"lead is the mean over them. Further than {SURE} of its errors from zero is, so paired: "
        f"{'; '.join(clear) or 'none of them'}.",
    )


def _pair_networks(run: Evidence, first: Evidence, horizon: int) -> Mean | None:
    """Pair the networks of the same seeds by day, and average over them."""
    mine, theirs = run.networks(), first.networks()
    pairs = [
        pair_days(run.days(horizon, mine[seed]), first.days(horizon, theirs[seed]), horizon)
        for seed in mine.keys() & theirs
    ]
    if not pairs:
        return None
    leads = [each.select(DATE, lead=pl.col("rank_ic") - pl.col("rank_ic_right")) for each in pairs]
    days = pl.concat(leads).group_by(DATE).agg(rank_ic=pl.col("lead").mean()).sort(DATE)
    return average_days(days, "rank_ic", horizon)
