"""The page of a benchmark, out of the folders of runs: `docs/benchmarks.md`."""

from collections.abc import Sequence

import polars as pl

from ...evaluation.baselines import ZERO
from ...schema import CODE, DATE, HORIZON, REALISED, SPLIT
from ..comparison import Compared
from ..saying import say
from ..scoring import FORECASTS
from ..summary import write_grid
from ..tables import tabulate_targets
from .columns import tabulate_columns
from .evidence import Evidence
from .luck import try_luck
from .pictures import draw_sums
from .protocol import LIMITS, tabulate_protocol, tabulate_speed
from .recipe import name_difference
from .tables import tabulate_beside, tabulate_hold, tabulate_horizons
from .trades import tabulate_costs
from .variants import tabulate_variants
from .walked import Walk, write_walk


def write_benchmarks(runs: Sequence[Evidence], compared: Sequence[Compared], walk: Walk | None, command: str) -> str:
    """Write what the first run is worth, what the others say of its parts, and what a walk says of other years."""
    first = runs[0]
    shortest = first.horizons[0]
    pages = [
        f"# Benchmarks\n\n<!-- Made by `{command}` out of the folders of the runs. Do not edit. -->",
        _sum_up(first, shortest),
        write_grid(tabulate_targets(first.score)),
        write_grid(tabulate_protocol(first)),
        write_grid(tabulate_beside(first, shortest)),
        _draw(first, shortest),
        write_grid(tabulate_hold(first, shortest)),
    ]
    if first.score.published:
        pages.append(write_grid(tabulate_columns(runs, try_luck(_read_next_day(first)))))
    pages += [write_grid(tabulate_horizons(first)), write_grid(tabulate_costs(first))]
    if len(runs) > 1:
        pages.append(write_grid(tabulate_variants(compared, runs, shortest)))
    if walk is not None:
        pages += write_walk(walk, first)
    names = ["as above", *(name_difference(run.manifest, first.manifest) for run in runs[1:])]
    pages.append(write_grid(tabulate_speed(runs, names)))
    pages.append("## What this does not show\n\n" + "\n".join(f"- {limit}" for limit in LIMITS))
    return "\n\n".join(pages) + "\n"


def _sum_up(run: Evidence, horizon: int) -> str:
    """Say the most important numbers in a sentence."""
    told = run.score.split["test"][f"h{horizon}"]
    leads = []
    for name, parts in run.score.baselines.items():
        lead = parts["test"][f"h{horizon}"].ahead.get("rank_ic")
        if name != ZERO and lead is not None and lead.mean is not None and lead.se:
            leads.append(f"{lead.mean:+.4f} (t {lead.mean / lead.se:.1f}) to {name}")
    beside = f" The daily differences in rank IC: {', '.join(leads)}." if leads else ""
    return (
        f"What the forecasts of run `{run.folder.name}` are worth on {told.ic.days} test days. Over {horizon} d their "
        f"rank IC is {say(told.rank_ic.mean)} ± {say(told.rank_ic.se)}, their IC {say(told.ic.mean)} ± "
        f"{say(told.ic.se)}.{beside}"
    )


def _read_next_day(run: Evidence) -> pl.DataFrame:
    asked = (pl.col(SPLIT) == "test") & (pl.col(HORIZON) == 1)
    return pl.scan_parquet(run.folder / FORECASTS).filter(asked).select(DATE, CODE, REALISED).collect()


def _draw(run: Evidence, horizon: int) -> str:
    """Draw the days beside those of the baselines that say something."""
    names = [name for name in run.score.baselines if name != ZERO]
    return draw_sums({"ours": run.days(horizon), **{name: run.days(horizon, name) for name in names}})
