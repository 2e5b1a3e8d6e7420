"""What a walk is worth: each fold's test days, and all of them as one record."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ..evaluation.judging import read_realised
from ..evaluation.laying import lay_ground
from ..evaluation.score import EvaluationParams, HorizonScore, Judged, judge
from ..params import InputError, Params
from ..schema import CODE, DATE, HORIZON, REALISED, SPLIT, target_columns
from .scoring import FORECASTS, open_table
from .walk import TrainedFold, TrainedFolds, list_failures

KEY = (HORIZON, DATE, CODE)


class FoldScore(Params):
    """A fold, and what its forecasts of its test days are worth over each horizon; nothing where it failed."""

    fold: TrainedFold
    stocks: int
    horizons: dict[str, HorizonScore]


class WalkScore(Params):
    """What every fold is worth, and all their test days together; ``h1``, ``h5`` and so on are horizons."""

    folds: tuple[FoldScore, ...]
    pooled: dict[str, HorizonScore]
    days: tuple[str, str]  # the first and the last

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
    """A walk's score, and the days that its record is the sum of: a row for each horizon and date."""

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
    trained: TrainedFolds, folder: Path, pooled: pl.DataFrame, dataset: pl.LazyFrame, params: EvaluationParams
) -> JudgedWalk:
    """Score each fold and the whole record by the returns that came."""
    judged = judge_record(pooled, dataset, params)
    score = WalkScore(
        folds=tuple(_score_fold(fold, folder, dataset, params) for fold in trained.folds),
        pooled=judged.score.horizons,
        days=(judged.score.first, judged.score.last),
    )
    return JudgedWalk(score, judged.daily)


def _score_fold(fold: TrainedFold, folder: Path, dataset: pl.LazyFrame, params: EvaluationParams) -> FoldScore:
    if fold.reason is not None:
        return FoldScore(fold=fold, stocks=0, horizons={})
    said = _read_tested(folder, fold).collect()
    return FoldScore(
        fold=fold, stocks=said[CODE].n_unique(), horizons=judge_record(said, dataset, params).score.horizons
    )


def judge_record(said: pl.DataFrame, dataset: pl.LazyFrame, params: EvaluationParams) -> Judged:
    """Score forecasts of test days by the returns that came."""
    return judge(said, lay_ground(read_realised(dataset, said)), params)
