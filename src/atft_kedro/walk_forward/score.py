"""What a walk is worth: each fold's test days, and all of them as one record."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ..evaluation.align import index_returns
from ..evaluation.entries import ReturnsByLag
from ..evaluation.forecast_table import FORECASTS, open_table
from ..evaluation.score import ByEntry, EvaluationParams, HorizonScore, ScoredForecasts, judge
from ..params import InputError
from ..schema import CODE, DATE, ENTRY_LAG, ENTRY_LAGS, HORIZON, REALISED, SPLIT, Entry, HorizonKey, target_columns
from .walk import TrainedFold, TrainedFolds, list_failures

KEY = (HORIZON, DATE, CODE)


Horizons = dict[HorizonKey, HorizonScore]


class FoldScore(ByEntry[Horizons]):
    """A fold, and what its forecasts of its test days are worth over each horizon; nothing where it failed."""

    fold: TrainedFold
    stocks: int
    horizons: Horizons


class WalkScore(ByEntry[Horizons]):
    """What every fold is worth, and all their test days together; ``h1``, ``h5`` and so on are horizons."""

    folds: tuple[FoldScore, ...]
    pooled: Horizons
    days: tuple[str, str]  # the first and the last
    entry_lag: int = 0  # of the targets that the folds were trained on

    @property
    def entries(self) -> dict[int, Horizons]:
        """List the record's score at each entry by its lag."""
        return self.put_beside(self.pooled, self.entry_lag)

    def require_every_fold(self) -> None:
        """Refuse a walk of which some folds failed."""
        failed = [each.fold for each in self.folds if each.fold.reason is not None]
        if failed:
            raise InputError(
                f"{len(failed)} of {len(self.folds)} folds failed:\n{list_failures(failed)}\n"
                "The others are scored without them. The same command tries only these again."
            )


@dataclass(frozen=True)
class JudgedWalk:
    """A walk's score, and the days that its record is the sum of: a row for each entry, horizon and date."""

    score: WalkScore
    daily: pl.DataFrame


def pool_forecasts(trained: TrainedFolds, folder: Path, dataset: pl.LazyFrame) -> pl.LazyFrame:
    """Put all test days into one record: a row for each date, code and horizon, with what came.

    Where several folds test a day, as combinatorial ones do, it is the mean of what they say.
    """
    tables = [_read_tested(folder, fold) for fold in trained.finished]
    pooled = pl.concat(tables).group_by(KEY).agg(pl.col(SPLIT).first(), pl.exclude(SPLIT).mean())
    came = [
        dataset.select(pl.lit(horizon, pl.Int16).alias(HORIZON), DATE, CODE, pl.col(name).alias(REALISED))
        for name, horizon in target_columns(dataset.collect_schema()).items()
    ]
    order = [*tables[0].collect_schema().names(), REALISED]
    return pooled.join(pl.concat(came), on=KEY, how="left").sort(KEY).select(order)


def _read_tested(folder: Path, fold: TrainedFold) -> pl.LazyFrame:
    return open_table(folder / fold.folder / FORECASTS).filter(pl.col(SPLIT) == "test")


def score_walk(
    trained: TrainedFolds, folder: Path, pooled: pl.DataFrame, returns: ReturnsByLag, params: EvaluationParams
) -> JudgedWalk:
    """Score each fold and the whole record by the returns that came, those of the targets' own entry first."""
    judged = judge_record(pooled, returns, params)
    entry_lag = next(iter(judged))
    own = judged[entry_lag].score
    score = WalkScore(
        folds=tuple(_score_fold(fold, folder, returns, params) for fold in trained.folds),
        pooled=own.horizons,
        days=(own.first, own.last),
        entry_lag=entry_lag,
        **_beside(judged),
    )
    return JudgedWalk(score, tabulate_days(judged))


def _score_fold(fold: TrainedFold, folder: Path, returns: ReturnsByLag, params: EvaluationParams) -> FoldScore:
    if fold.reason is not None:
        return FoldScore(fold=fold, stocks=0, horizons={})
    said = _read_tested(folder, fold).collect()
    judged = judge_record(said, returns, params)
    own = next(iter(judged.values())).score.horizons
    return FoldScore(fold=fold, stocks=said[CODE].n_unique(), horizons=own, **_beside(judged))


def _beside(judged: Mapping[int, ScoredForecasts]) -> dict[Entry, Horizons]:
    """List what the record is worth from the entries that are not the targets' own."""
    _, *others = judged
    return {entry: judged[lag].score.horizons for entry, lag in ENTRY_LAGS.items() if lag in others}


def judge_record(said: pl.DataFrame, returns: ReturnsByLag, params: EvaluationParams) -> dict[int, ScoredForecasts]:
    """Score forecasts of test days by the returns that came on their days, from each entry by its lag."""
    days = pl.col(DATE).is_between(said[DATE].min(), said[DATE].max())
    return {lag: judge(said, index_returns(came.filter(days)), params) for lag, came in returns.items()}


def tabulate_days(judged: Mapping[int, ScoredForecasts]) -> pl.DataFrame:
    """Concatenate the days of all entries into one table."""
    return pl.concat(
        [each.daily.select(pl.lit(lag, pl.Int8).alias(ENTRY_LAG), pl.all()) for lag, each in judged.items()]
    )
