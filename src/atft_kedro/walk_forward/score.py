"""Scores of a walk: of each fold's test days, and of all test days pooled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ..evaluation.align import index_returns
from ..evaluation.entries import ReturnsByLag
from ..evaluation.forecast_table import FORECASTS_FILE, open_table
from ..evaluation.position_score import PositionScore
from ..evaluation.score import ByEntry, EvaluationParams, HorizonScore
from ..evaluation.score_forecasts import ScoredForecasts, score_forecasts
from ..params import InputError
from ..schema import CODE, DATE, ENTRY_LAG, ENTRY_LAGS, HORIZON, REALISED, SPLIT, Entry, HorizonKey, target_columns
from .walk import FoldResult, FoldResults, format_failures

KEY = (HORIZON, DATE, CODE)
FOLD = "fold"

Horizons = dict[HorizonKey, HorizonScore]


class FoldScore(ByEntry[Horizons]):
    """The score of a fold's test days by horizon; empty if the fold failed."""

    fold: FoldResult
    stocks: int
    horizons: Horizons

    def by_entry(self, entry_lag: int) -> dict[int, Horizons]:
        """Map the lag of each entry to the score; ``entry_lag`` is that of the targets."""
        return self.by_lag(self.horizons, entry_lag)


class WalkScore(ByEntry[Horizons]):
    """The scores of all folds, and of their pooled test days by horizon."""

    folds: tuple[FoldScore, ...]
    pooled: Horizons
    days: tuple[str, str]  # first and last
    entry_lag: int = 0  # of the targets
    positions: PositionScore | None = None  # on all test days, after costs

    @property
    def entries(self) -> dict[int, Horizons]:
        """Map the lag of each entry to the pooled score."""
        return self.by_lag(self.pooled, self.entry_lag)

    def require_every_fold(self) -> None:
        """Raise an error if a fold failed."""
        failed = [score.fold for score in self.folds if score.fold.reason is not None]
        if failed:
            raise InputError(
                f"{len(failed)} of {len(self.folds)} folds failed:\n{format_failures(failed)}\n"
                "The other folds are scored. The same command trains only the failed folds again."
            )


@dataclass(frozen=True)
class ScoredWalk:
    """A walk's score, and its daily scores: a row for each entry, horizon and date."""

    score: WalkScore
    daily: pl.DataFrame


def pool_forecasts(trained: FoldResults, folder: Path, dataset: pl.LazyFrame) -> pl.LazyFrame:
    """Pool the test days of all finished folds: one row per horizon, date and code.

    If several folds test a day, as combinatorial folds do, the row has the mean of their forecasts.
    """
    tables = [_read_test_forecasts(folder, fold) for fold in trained.succeeded]
    pooled = pl.concat(tables).group_by(KEY).agg(pl.col(SPLIT).first(), pl.exclude(SPLIT).mean())
    realised = [
        dataset.select(pl.lit(horizon, pl.Int16).alias(HORIZON), DATE, CODE, pl.col(name).alias(REALISED))
        for name, horizon in target_columns(dataset.collect_schema()).items()
    ]
    order = [*tables[0].collect_schema().names(), REALISED]
    return pooled.join(pl.concat(realised), on=KEY, how="left").sort(KEY).select(order)


def read_fold_forecasts(trained: FoldResults, folder: Path) -> pl.LazyFrame:
    """Read the forecasts of all splits of all finished folds, with the fold's name."""
    return pl.concat(
        open_table(folder / fold.folder / FORECASTS_FILE).with_columns(pl.lit(fold.name).alias(FOLD))
        for fold in trained.succeeded
    )


def _read_test_forecasts(folder: Path, fold: FoldResult) -> pl.LazyFrame:
    return open_table(folder / fold.folder / FORECASTS_FILE).filter(pl.col(SPLIT) == "test")


def score_walk(
    trained: FoldResults, folder: Path, pooled: pl.DataFrame, returns: ReturnsByLag, params: EvaluationParams
) -> ScoredWalk:
    """Score each fold and the pooled forecasts; ``returns`` of the targets come first."""
    scored = score_by_entry(pooled, returns, params)
    entry_lag = next(iter(scored))
    own = scored[entry_lag].score
    score = WalkScore(
        folds=tuple(_score_fold(fold, folder, returns, params) for fold in trained.folds),
        pooled=own.horizons,
        days=(own.first, own.last),
        entry_lag=entry_lag,
        **_select_other_entries(scored),
    )
    return ScoredWalk(score, concat_daily(scored))


def _score_fold(fold: FoldResult, folder: Path, returns: ReturnsByLag, params: EvaluationParams) -> FoldScore:
    if fold.reason is not None:
        return FoldScore(fold=fold, stocks=0, horizons={})
    forecasts = _read_test_forecasts(folder, fold).collect()
    scored = score_by_entry(forecasts, returns, params)
    own = next(iter(scored.values())).score.horizons
    return FoldScore(fold=fold, stocks=forecasts[CODE].n_unique(), horizons=own, **_select_other_entries(scored))


def _select_other_entries(scored: Mapping[int, ScoredForecasts]) -> dict[Entry, Horizons]:
    """Select the scores of the entries after the first, which is that of the targets."""
    _, *others = scored
    return {entry: scored[lag].score.horizons for entry, lag in ENTRY_LAGS.items() if lag in others}


def score_by_entry(
    forecasts: pl.DataFrame, returns: ReturnsByLag, params: EvaluationParams
) -> dict[int, ScoredForecasts]:
    """Score forecasts by the realised returns of each entry, by its lag."""
    days = pl.col(DATE).is_between(forecasts[DATE].min(), forecasts[DATE].max())
    return {
        lag: score_forecasts(forecasts, index_returns(table.filter(days)), params) for lag, table in returns.items()
    }


def concat_daily(scored: Mapping[int, ScoredForecasts]) -> pl.DataFrame:
    """Concatenate the daily scores of all entries into one table."""
    return pl.concat(
        [entry.daily.select(pl.lit(lag, pl.Int8).alias(ENTRY_LAG), pl.all()) for lag, entry in scored.items()]
    )
