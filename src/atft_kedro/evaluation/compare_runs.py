"""Compare runs on the forecasts that all of them have, paired by day."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from ..advice import advise_command, advise_run
from ..params import InputError
from ..schema import CODE, DATE, FORECAST, HORIZON, REALISED, SPLIT, target
from .align import index_returns
from .compare_baselines import compute_paired_differences, join_days
from .daily_statistics import Mean, deflated_sharpe, finite_or_none, sharpe
from .entries import ReturnsByLag, returns_by_lag
from .forecast_table import FORECASTS_FILE, open_table
from .score import EvaluationParams, HorizonScore
from .score_forecasts import ScoredForecasts, score_forecasts

KEY = (DATE, CODE, HORIZON)
RETURNS = "returns.parquet"
RETURN_TOLERANCE = 1e-5  # returns that differ by more come from different datasets


@dataclass(frozen=True)
class RunComparison:
    """One run over one horizon at one entry, compared with the first run."""

    run: str
    horizon: int
    entry_lag: int
    trained_lag: int  # entry lag of the targets that the run was trained on
    score: HorizonScore
    differences: dict[str, Mean]  # run minus first run, by metric; empty for the first run
    deflated: float | None  # deflated Sharpe ratio, a probability
    left_out: int  # count of the run's forecasts that not all runs have


def read_split_forecasts(folder: Path, split: str) -> pl.DataFrame:
    """Read a run's forecasts of one split."""
    path = folder / FORECASTS_FILE
    if not path.exists():
        raise InputError(
            f"Run {folder.name} has no forecasts. {advise_run('--pipelines evaluate')} writes them for the latest run."
        )
    forecasts = open_table(path).filter(pl.col(SPLIT) == split).select(*KEY, FORECAST).collect()
    if not len(forecasts):
        raise InputError(f"Run {folder.name} has no {split!r} forecasts.")
    return forecasts


def read_returns(folder: Path, entry_lag: int) -> ReturnsByLag:
    """Read the returns that a run was scored with; ``entry_lag`` is that of its targets."""
    path = folder / RETURNS
    if not path.exists():
        raise InputError(
            f"Run {folder.name} has no {RETURNS}. {advise_command(f'atft evaluate {folder.name}')} writes it."
        )
    return returns_by_lag(open_table(path).collect(), entry_lag)


def pivot_returns(forecasts: pl.DataFrame) -> pl.DataFrame:
    """Select realised returns: a row for each date and code, a column for each horizon.

    Returns of stocks after their last forecast are missing, so these returns cannot score portfolios.
    """
    wide = forecasts.pivot(HORIZON, index=[DATE, CODE], values=REALISED)
    return wide.rename({name: target(int(name)) for name in wide.columns if name not in (DATE, CODE)})


def require_two_or_more_runs(folders: Sequence[Path]) -> None:
    """Refuse fewer than two runs, and the same run twice."""
    if len(set(folders)) < 2 or len(set(folders)) < len(folders):
        raise InputError(
            "Name two or more different runs; the first is the one to compare with. "
            f"{advise_command('atft metrics')} lists all runs."
        )


def compare_runs(
    forecasts: Mapping[str, pl.DataFrame],
    returns: Mapping[str, ReturnsByLag],
    params: EvaluationParams,
    trials: int = 0,
) -> list[RunComparison]:
    """Score runs on the keys that all of them forecast, and compare each with the first by day.

    Every entry whose returns all runs have is scored. Portfolios also need the returns of stocks after their last
    forecast. If the runs are the best of more trials, ``trials`` is their number, for the deflated Sharpe ratio. The
    units in ``params`` change only scale, calibration and coverage.
    """
    common = _find_common_keys(forecasts)
    rows = [
        row
        for lag in sorted(set.intersection(*map(set, returns.values())))
        for row in _compare_at(lag, common, forecasts, returns, params, trials)
    ]
    return sorted(rows, key=lambda row: (row.horizon, row.entry_lag))


def _compare_at(
    lag: int,
    common: pl.DataFrame,
    forecasts: Mapping[str, pl.DataFrame],
    returns: Mapping[str, ReturnsByLag],
    params: EvaluationParams,
    trials: int,
) -> Iterator[RunComparison]:
    """Compare runs at one entry."""
    realised = index_returns(_join_returns(common, lag, returns))
    scored = {
        run: score_forecasts(table.join(common, on=KEY, how="semi"), realised, params)
        for run, table in forecasts.items()
    }
    first = next(iter(scored.values()))
    for horizon in first.score.horizons:
        probabilities = _deflate(list(scored.values()), horizon, max(trials, len(scored)))
        for (run, own), deflated in zip(scored.items(), probabilities, strict=True):
            days = join_days(own.daily, first.daily, horizon)
            yield RunComparison(
                run=run,
                horizon=horizon,
                entry_lag=lag,
                trained_lag=next(iter(returns[run])),
                score=own.score.horizons[horizon],
                differences={} if own is first else compute_paired_differences(days, horizon),
                deflated=deflated,
                left_out=_count(forecasts[run], horizon) - _count(common, horizon),
            )


def _find_common_keys(forecasts: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    (first, table), *rest = forecasts.items()
    common = table.select(KEY)
    for run, other in rest:
        common = common.join(other, on=KEY, how="semi")
        if not len(common):
            ranges = _describe_ranges(forecasts)
            raise InputError(f"Run {run} shares no date, code and horizon with {first}: {ranges}.")
    return common


def _join_returns(common: pl.DataFrame, lag: int, returns: Mapping[str, ReturnsByLag]) -> pl.DataFrame:
    """Join the returns of all runs at one entry, on the days of the common forecasts; refuse different returns."""
    (first, table), *rest = ((run, by_lag[lag]) for run, by_lag in returns.items())
    names = [target(horizon) for horizon in common[HORIZON].unique().sort()]
    keys = common.group_by(DATE, CODE).agg(pl.len())
    for run, other in rest:
        both = keys.join(table, on=[DATE, CODE]).join(other, on=[DATE, CODE])  # columns of other end in _right
        gaps = both.select((pl.col(name) - pl.col(f"{name}_right")).abs() for name in names).unpivot()["value"]
        different, known = int((gaps > RETURN_TOLERANCE).sum()), int(gaps.is_not_null().sum())
        if different:
            raise InputError(
                f"Runs {run} and {first} cannot be compared: they have different returns for {different:,} of "
                f"{known:,} forecasts, so their datasets differ."
            )
    together = pl.concat([by_lag[lag] for by_lag in returns.values()], how="diagonal_relaxed")
    days = pl.col(DATE).is_between(common[DATE].min(), common[DATE].max())
    return together.filter(days).group_by(DATE, CODE).agg(pl.all().drop_nulls().first())


def _describe_ranges(forecasts: Mapping[str, pl.DataFrame]) -> str:
    ranges = []
    for run, table in forecasts.items():
        days = table[DATE].unique().sort()
        horizons = ", ".join(f"{horizon}d" for horizon in table[HORIZON].unique().sort())
        ranges.append(f"{run} has {table[CODE].n_unique()} stocks from {days[0]} to {days[-1]} over {horizons}")
    return "; ".join(ranges)


def _count(table: pl.DataFrame, horizon: int) -> int:
    return len(table.filter(pl.col(HORIZON) == horizon))


def list_horizons_not_compared(forecasts: Mapping[str, pl.DataFrame]) -> list[int]:
    """List the horizons that some runs forecast and others do not."""
    horizons = [set(table[HORIZON].unique()) for table in forecasts.values()]
    return sorted(set.union(*horizons) - set.intersection(*horizons))


def _deflate(scored: Sequence[ScoredForecasts], horizon: int, trials: int) -> list[float | None]:
    """Compute the deflated Sharpe ratio of each run's daily net returns, as the best of all trials."""
    days = [run.daily.filter(pl.col(HORIZON) == horizon) for run in scored]
    if any("long_short_net" not in table.columns for table in days):
        return [None] * len(scored)
    returns = [table["long_short_net"].drop_nulls().to_numpy() for table in days]
    ratios = np.array([sharpe(series, per_year=1) for series in returns])
    known = ratios[np.isfinite(ratios)]
    return [finite_or_none(deflated_sharpe(series, known, trials)) for series in returns]
