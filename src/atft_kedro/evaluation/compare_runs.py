"""Runs side by side, on what all of them forecast, paired by day."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ..params import InputError
from ..schema import CODE, DATE, FORECAST, HORIZON, REALISED, SPLIT, target
from .align import index_returns
from .compare_baselines import compute_paired_differences, join_days
from .daily_statistics import Mean, deflated_sharpe, or_none, sharpe
from .entries import ReturnsByLag, returns_by_lag
from .forecast_table import FORECASTS, open_table
from .score import EvaluationParams, HorizonScore, ScoredForecasts, judge

KEY = (DATE, CODE, HORIZON)
RETURNS = "returns.parquet"
SAME = 1e-5  # two runs that differ by more in what came have not seen one dataset


@dataclass(frozen=True)
class RunComparison:
    """One run over one horizon, entered at one lag, beside the first."""

    run: str
    horizon: int
    entry_lag: int
    trained_lag: int  # that of the targets it was trained on
    score: HorizonScore
    differences: dict[str, Mean]  # of the first run; empty for that itself
    deflated: float | None  # probability that its Sharpe ratio is above the best that luck gives so many runs
    left_out: int  # of its forecasts, for not all runs have them


def read_split_forecasts(folder: Path, part: str) -> pl.DataFrame:
    """Read what a run forecast of a part."""
    path = folder / FORECASTS
    if not path.exists():
        raise InputError(f"Run {folder.name} has no forecasts; kedro run --pipelines evaluate makes the latest run's.")
    said = open_table(path).filter(pl.col(SPLIT) == part).select(*KEY, FORECAST).collect()
    if not len(said):
        raise InputError(f"Run {folder.name} has no {part!r} forecasts.")
    return said


def read_returns(folder: Path, entry_lag: int) -> ReturnsByLag:
    """Read by which returns a run was scored, from every entry; ``entry_lag`` is that of its targets."""
    path = folder / RETURNS
    if not path.exists():
        raise InputError(f"Run {folder.name} has no {RETURNS}; kedro atft evaluate {folder.name} makes it.")
    return returns_by_lag(open_table(path).collect(), entry_lag)


def pivot_returns(forecasts: pl.DataFrame) -> pl.DataFrame:
    """Select the returns beside forecasts: a row for each date and code, a column for each horizon.

    Those of stocks that are not forecast any more are missing, so that books cannot be scored by them.
    """
    wide = forecasts.pivot(HORIZON, index=[DATE, CODE], values=REALISED)
    return wide.rename({name: target(int(name)) for name in wide.columns if name not in (DATE, CODE)})


def require_several(folders: Sequence[Path]) -> None:
    """Refuse to compare a run with itself."""
    if len(set(folders)) < 2 or len(set(folders)) < len(folders):
        raise InputError("Name two or more different runs, the first to compare with: kedro atft metrics lists them.")


def compare_runs(
    said: Mapping[str, pl.DataFrame], returns: Mapping[str, ReturnsByLag], params: EvaluationParams, trials: int = 0
) -> list[RunComparison]:
    """Score runs on the dates, codes and horizons that all of them forecast, and pair each with the first.

    From each entry of which all runs know returns; books need those of stocks that are not forecast any more, too.
    Where the runs are the best of more ``trials``, their Sharpe ratios have more luck to be above.
    """
    common = _find_common(said)
    rows = [
        row
        for lag in sorted(set.intersection(*map(set, returns.values())))
        for row in _compare_at(lag, common, said, returns, params, trials)
    ]
    return sorted(rows, key=lambda row: (row.horizon, row.entry_lag))


def _compare_at(
    lag: int,
    common: pl.DataFrame,
    said: Mapping[str, pl.DataFrame],
    returns: Mapping[str, ReturnsByLag],
    params: EvaluationParams,
    trials: int,
) -> Iterator[RunComparison]:
    """Score runs from one entry."""
    ground = index_returns(_join_returns(common, lag, returns))
    judged = {run: judge(mine.join(common, on=KEY, how="semi"), ground, params) for run, mine in said.items()}
    first = next(iter(judged.values()))
    for horizon in first.score.horizons:
        chances = _deflate(list(judged.values()), horizon, max(trials, len(judged)))
        for (run, mine), chance in zip(judged.items(), chances, strict=True):
            days = join_days(mine.daily, first.daily, horizon)
            yield RunComparison(
                run=run,
                horizon=horizon,
                entry_lag=lag,
                trained_lag=next(iter(returns[run])),
                score=mine.score.horizons[horizon],
                differences={} if mine is first else compute_paired_differences(days, horizon),
                deflated=chance,
                left_out=_count(said[run], horizon) - _count(common, horizon),
            )


def _find_common(said: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Find what all runs forecast."""
    (first, mine), *rest = said.items()
    common = mine.select(KEY)
    for run, theirs in rest:
        common = common.join(theirs, on=KEY, how="semi")
        if not len(common):
            raise InputError(f"Run {run} shares no date, code and horizon with {first}: {_span(said)}.")
    return common


def _join_returns(common: pl.DataFrame, lag: int, returns: Mapping[str, ReturnsByLag]) -> pl.DataFrame:
    """Join all runs' returns from one entry, on the days of the common forecasts."""
    (first, mine), *rest = ((run, known[lag]) for run, known in returns.items())
    names = [target(horizon) for horizon in common[HORIZON].unique().sort()]
    forecast = common.group_by(DATE, CODE).agg(pl.len())
    for run, theirs in rest:
        both = forecast.join(mine, on=[DATE, CODE]).join(theirs, on=[DATE, CODE], suffix=" of other")
        cells = both.select((pl.col(name) - pl.col(f"{name} of other")).abs() for name in names).unpivot()["value"]
        differ, known = int((cells > SAME).sum()), int(cells.is_not_null().sum())
        if differ:
            raise InputError(
                f"Run {run} and {first} have seen other returns for {differ:,} of {known:,} forecasts: "
                "they are of different datasets, and cannot be compared."
            )
    whole = pl.concat([known[lag] for known in returns.values()], how="diagonal_relaxed")
    days = pl.col(DATE).is_between(common[DATE].min(), common[DATE].max())
    return whole.filter(days).group_by(DATE, CODE).agg(pl.all().drop_nulls().first())


def _span(said: Mapping[str, pl.DataFrame]) -> str:
    spans = []
    for run, each in said.items():
        days = each[DATE].unique().sort()
        horizons = ", ".join(f"{horizon}d" for horizon in each[HORIZON].unique().sort())
        spans.append(f"{run} has {each[CODE].n_unique()} stocks from {days[0]} to {days[-1]} over {horizons}")
    return "; ".join(spans)


def _count(table: pl.DataFrame, horizon: int) -> int:
    return len(table.filter(pl.col(HORIZON) == horizon))


def list_horizons_not_compared(said: Mapping[str, pl.DataFrame]) -> list[int]:
    """List the horizons that some runs forecast and others do not, and that are not compared."""
    horizons = [set(each[HORIZON].unique()) for each in said.values()]
    return sorted(set.union(*horizons) - set.intersection(*horizons))


def _deflate(judged: Sequence[ScoredForecasts], horizon: int, trials: int) -> list[float | None]:
    """Say of each run how likely its daily net return is no luck of having been chosen among all trials."""
    columns = [mine.daily.filter(pl.col(HORIZON) == horizon) for mine in judged]
    if any("long_short_net" not in days.columns for days in columns):
        return [None] * len(judged)
    returns = [days["long_short_net"].drop_nulls().to_numpy() for days in columns]
    tried = np.array([sharpe(each, per_year=1) for each in returns])
    known = tried[np.isfinite(tried)]
    return [or_none(deflated_sharpe(each, known, trials)) for each in returns]
