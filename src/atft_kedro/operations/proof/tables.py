"""The tables of the proof: every number out of a run's folder."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from ...evaluation.baselines import ZERO
from ...evaluation.judging import NETWORK, measure_lead, pair_days
from ...evaluation.score import HorizonScore, Rival
from ...evaluation.series import Mean, average
from ...schema import ALONE, DATE
from ..grid import Grid, Row
from ..saying import say, say_lead
from .evidence import Evidence
from .luck import Luck
from .papers import CAUTION, FIRST, LAST, STOCKS, TABLE

WEEK = 7  # days
STRONG = ("ridge", "lightgbm")  # the baselines that learn
READING = (
    "The first four columns are ours: means over the test days, their Newey-West errors, and mean over deviation of "
    "the days. The last four are counted as published tables count: stocks without a return that day lie at (0, 0), "
    '"RIC" is the mean of the daily ICs over their deviation, prec@10 the share of the ten highest forecasts whose '
    "return is not negative, SR mean over deviation of the five highest's mean return, times 15.87."
)
OURS = ("IC ± se", "ICIR", "rank IC ± se", "rank ICIR")
COLUMNS = (("ic", 4), ("ric", 3), ("precision", 3), ("sharpe", 2))  # of published tables, and their digits


def tabulate_next_day(run: Evidence, horizon: int, luck: Luck | None) -> Grid:
    """Tell what each forecaster is worth over the shortest horizon, and what published tables would print."""
    name, score = f"h{horizon}", run.score
    rows = [[f"**mean of {_count_networks(run)}**", *tell_score(score.split["test"][name]), *_print(run, NETWORK)]]
    if score.seeds:
        rows.append(["one network, mean ± deviation over seeds", *_tell_spread(run, name)])
    for each, parts in score.baselines.items():
        rows.append([each, *tell_score(parts["test"][name].score), *_print(run, each)])
    if luck is not None:
        printed = [
            f"{mean:.{digits}f} ± {deviation:.{digits}f}"
            for digits, (mean, deviation) in ((digits, luck.spread(column)) for column, digits in COLUMNS)
        ]
        rows.append(["random forecasts ± deviation", *["–"] * 4, *printed])
        rows.append(["every stock, held", *["–"] * 7, say(luck.everything, 2)])
    if is_published(run, horizon):
        rows += [
            [f"*{row.name}*", *["–"] * 4, say(row.ic, 3), say(row.ric, 3), say(row.precision, 3), say(row.sharpe, 2)]
            for row in TABLE
        ]
    head = ("forecaster", *OURS, "*IC*", '*"RIC"*', "*prec@10*", "*SR*")
    note = READING
    if luck is not None:
        (hit, _), (ratio, deviation) = luck.spread("precision"), luck.spread("sharpe")
        note += (
            f" **prec@10 and SR separate nobody**: random forecasts have {hit:.3f} and {ratio:.2f} ± {deviation:.2f} "
            f"here, and holding every stock {luck.everything:.2f}."
        )
    return Grid("The next day", head, rows, f"{note} {CAUTION}" if is_published(run, horizon) else note)


def is_published(run: Evidence, horizon: int) -> bool:
    """Say whether a run is tested on what the published tables are: their stocks, each the trading day before."""
    tested = run.days(horizon)[DATE]
    gaps = ((FIRST - tested[0]).days, (LAST - tested[-1]).days)
    return horizon == 1 and all(0 < gap < WEEK for gap in gaps) and abs(run.count_stocks() - STOCKS) < STOCKS / 100


def _count_networks(run: Evidence) -> str:
    count = run.manifest["training"]["seeds"]
    return f"{count} networks" if count > 1 else "1 network"


def tell_score(told: HorizonScore) -> list[str]:
    """Tell the four columns that are `OURS`."""
    return [_with_error(told.ic), say(told.ic.ir, 3), _with_error(told.rank_ic), say(told.rank_ic.ir, 3)]


def _with_error(mean: Mean) -> str:
    return "–" if mean.mean is None else f"{say(mean.mean)} ± {say(mean.se)}"


def _print(run: Evidence, forecaster: str) -> list[str]:
    told = run.score.published.get(forecaster)
    return ["–"] * 4 if told is None else [say(getattr(told, column), digits) for column, digits in COLUMNS]


def _tell_spread(run: Evidence, horizon: str) -> Iterator[str]:
    """Average each column over the networks."""
    alone = [parts["test"][horizon].score for parts in run.score.seeds.values()]
    for metric in ("ic", "rank_ic"):
        means = [getattr(each, metric) for each in alone]
        yield _spread([each.mean for each in means], 4)
        yield _spread([each.ir for each in means], 3)
    printed = [told for name, told in run.score.published.items() if name.startswith(ALONE)]
    for column, digits in COLUMNS:
        yield _spread([getattr(each, column) for each in printed], digits)


def _spread(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    deviation = f" ± {np.std(known, ddof=1):.{digits}f}" if len(known) > 1 else ""
    return f"{np.mean(known):.{digits}f}{deviation}"


def tabulate_hold(run: Evidence, horizon: int) -> Grid:
    """Tell whether the lead over the baselines that learn holds in both halves of the test days and in each network."""
    mine = run.days(horizon)
    half = mine[DATE][len(mine) // 2]
    rivals = {name: run.days(horizon, name) for name in STRONG if name in run.score.baselines}
    stretches = {
        "all test days": pl.lit(value=True),
        f"first half, to {mine[DATE][len(mine) // 2 - 1]}": pl.col(DATE) < half,
        f"second half, from {half}": pl.col(DATE) >= half,
    }
    rows = [_beside(title, mine.filter(when), rivals, horizon) for title, when in stretches.items()]
    rows += [
        _beside(f"network {name} alone", run.days(horizon, ALONE + name), rivals, horizon) for name in run.score.seeds
    ]
    return Grid(
        "Does it hold?",
        ("", "IC", "ICIR", "rank IC", *(f"ahead of {name} in {what}" for name in rivals for what in ("IC", "rank IC"))),
        rows,
        "Leads are paired by day, ± their Newey-West error, with t.",
    )


def _beside(title: str, mine: pl.DataFrame, rivals: dict[str, pl.DataFrame], horizon: int) -> Row:
    ic, rank_ic = (average_days(mine, metric, horizon) for metric in ("ic", "rank_ic"))
    leads = [measure_lead(pair_days(mine, theirs, horizon), horizon) for theirs in rivals.values()]
    told = [say_lead(lead.get(metric)) for lead in leads for metric in ("ic", "rank_ic")]
    return [title, say(ic.mean), say(ic.ir, 3), say(rank_ic.mean), *told]


def average_days(days: pl.DataFrame, metric: str, horizon: int) -> Mean:
    """Average a column of days."""
    values = days[metric].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return average(values, horizon, days[metric].is_not_null().to_numpy())


def tabulate_horizons(run: Evidence) -> Grid:
    """Tell every horizon, and the lead there."""
    rows = []
    names = [name for name in run.score.baselines if name != ZERO]
    for horizon, told in run.score.split["test"].items():
        rivals = [run.score.baselines[name]["test"].get(horizon) for name in names]
        rows.append([f"{horizon[1:]} d", *tell_score(told), *(_say_rival(rival) for rival in rivals)])
    head = (
        "horizon",
        "IC ± se",
        "ICIR",
        "rank IC ± se",
        "rank ICIR",
        *(f"ahead of {name} in rank IC" for name in names),
    )
    return Grid("All horizons", head, rows, "Returns over several days overlap; the errors know it.")


def _say_rival(rival: Rival | None) -> str:
    return "–" if rival is None else say_lead(rival.ahead.get("rank_ic"))
