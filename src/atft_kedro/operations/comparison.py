"""Runs side by side, on what all of them forecast, paired by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ..evaluation.judging import measure_lead, pair_days
from ..evaluation.laying import lay_ground
from ..evaluation.score import EvaluationParams, HorizonScore, Judged, judge
from ..evaluation.series import Mean, deflated_sharpe, or_none, sharpe
from ..params import InputError
from ..schema import CODE, DATE, FORECAST, HORIZON, REALISED, SPLIT, target
from .scoring import FORECASTS, open_table

KEY = (DATE, CODE, HORIZON)
SAME = 1e-5  # two runs that differ by more in what came have not seen one dataset


@dataclass(frozen=True)
class Compared:
    """One run over one horizon, beside the first."""

    run: str
    horizon: int
    score: HorizonScore
    ahead: dict[str, Mean]  # of the first run; empty for that itself
    deflated: float | None  # probability that its Sharpe ratio is above the best that luck gives so many runs
    left_out: int  # of its forecasts, for not all runs have them


def read_part(folder: Path, part: str) -> pl.DataFrame:
    """Read what a run forecast of a part."""
    path = folder / FORECASTS
    if not path.exists():
        raise InputError(f"Run {folder.name} has no forecasts; kedro run --pipelines evaluate makes the latest run's.")
    said = open_table(path).filter(pl.col(SPLIT) == part).select(*KEY, FORECAST, REALISED).collect()
    if not len(said):
        raise InputError(f"Run {folder.name} has no {part!r} forecasts.")
    return said


def require_several(folders: Sequence[Path]) -> None:
    """Refuse to compare a run with itself."""
    if len(set(folders)) < 2 or len(set(folders)) < len(folders):
        raise InputError("Name two or more different runs, the first to compare with: kedro atft metrics lists them.")


def compare_runs(said: Mapping[str, pl.DataFrame], params: EvaluationParams, trials: int = 0) -> list[Compared]:
    """Score runs on the dates, codes and horizons that all of them forecast, and pair each with the first.

    Where the runs are the best of more ``trials``, their Sharpe ratios have more luck to be above.
    """
    common = _find_common(said)
    ground = lay_ground(_lay_returns(common))
    judged = {run: judge(mine.join(common, on=KEY, how="semi"), ground, params) for run, mine in said.items()}
    first = next(iter(judged.values()))
    rows = []
    for name in first.score.horizons:
        horizon = int(name[1:])
        chances = _deflate(list(judged.values()), horizon, max(trials, len(judged)))
        for (run, mine), chance in zip(judged.items(), chances, strict=True):
            days = pair_days(mine.daily, first.daily, horizon)
            rows.append(
                Compared(
                    run=run,
                    horizon=horizon,
                    score=mine.score.horizons[name],
                    ahead={} if mine is first else measure_lead(days, horizon),
                    deflated=chance,
                    left_out=_count(said[run], horizon) - _count(common, horizon),
                )
            )
    return rows


def _find_common(said: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Find what all runs forecast, with the return that came, where they agree on it."""
    (first, mine), *rest = said.items()
    common = mine.select(*KEY, REALISED)
    for run, theirs in rest:
        both = common.join(theirs.select(*KEY, pl.col(REALISED).alias("theirs")), on=KEY)
        if not len(both):
            raise InputError(f"Run {run} shares no date, code and horizon with {first}: {_span(said)}.")
        differ = both.filter((pl.col(REALISED) - pl.col("theirs")).abs() > SAME)
        if len(differ):
            raise InputError(
                f"Run {run} and {first} have seen other returns for {len(differ):,} of {len(both):,} forecasts: "
                "they are of different datasets, and cannot be compared."
            )
        common = both.select(*KEY, pl.coalesce(REALISED, "theirs").alias(REALISED))
    return common


def _span(said: Mapping[str, pl.DataFrame]) -> str:
    spans = []
    for run, each in said.items():
        days = each[DATE].unique().sort()
        horizons = ", ".join(f"{horizon}d" for horizon in each[HORIZON].unique().sort())
        spans.append(f"{run} has {each[CODE].n_unique()} stocks from {days[0]} to {days[-1]} over {horizons}")
    return "; ".join(spans)


def _count(table: pl.DataFrame, horizon: int) -> int:
    return len(table.filter(pl.col(HORIZON) == horizon))


def _lay_returns(common: pl.DataFrame) -> pl.DataFrame:
    """Bring the returns of each horizon to a column of its own."""
    wide = common.pivot(HORIZON, index=[DATE, CODE], values=REALISED)
    return wide.rename({name: target(int(name)) for name in wide.columns if name not in (DATE, CODE)})


def find_left_horizons(said: Mapping[str, pl.DataFrame]) -> list[int]:
    """List the horizons that some runs forecast and others do not, and that are not compared."""
    horizons = [set(each[HORIZON].unique()) for each in said.values()]
    return sorted(set.union(*horizons) - set.intersection(*horizons))


def _deflate(judged: Sequence[Judged], horizon: int, trials: int) -> list[float | None]:
    """Say of each run how likely its daily net return is no luck of having been chosen among all trials."""
    columns = [mine.daily.filter(pl.col(HORIZON) == horizon) for mine in judged]
    if any("long_short_net" not in days.columns for days in columns):
        return [None] * len(judged)
    returns = [days["long_short_net"].drop_nulls().to_numpy() for days in columns]
    tried = np.array([sharpe(each, per_year=1) for each in returns])
    known = tried[np.isfinite(tried)]
    return [or_none(deflated_sharpe(each, known, trials)) for each in returns]
