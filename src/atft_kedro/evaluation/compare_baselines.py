"""Score a run and its baselines, and pair each baseline with the run by day."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from ..params import InputError
from ..schema import (
    CODE,
    DATE,
    ENTRY_LAG,
    ENTRY_LAGS,
    FORECAST,
    FORECASTER,
    HORIZON,
    MEMBER_PREFIX,
    REALISED,
    SPLIT,
    target,
)
from .align import RealisedReturns, index_returns
from .baselines import ZERO
from .daily_statistics import Mean, average
from .entries import returns_by_lag
from .oracle import ORACLE, oracle_name
from .published import PublishedScore, score_as_published
from .score import BaselineScore, EntryScore, EvaluationParams, HorizonScore, RunScore
from .score_forecasts import ScoredForecasts, score_forecasts

NETWORK = "network"
PAIRED = ("ic", "rank_ic", "long_short_net")
IS_ONE_DAY_TEST = (pl.col(SPLIT) == "test") & (pl.col(HORIZON) == 1)


def score_run(
    run: str,
    forecasts: pl.DataFrame,
    baselines: pl.DataFrame,
    returns: pl.DataFrame,
    params: EvaluationParams,
    entry_lag: int,
) -> tuple[RunScore, pl.DataFrame]:
    """Score a run and its baselines in each split, at every entry.

    ``baselines`` has the columns of forecasts and ``forecaster``; a forecaster named ``seed 7`` is an ensemble member.
    ``returns`` come from `collect_returns`. The table of daily scores has a row for each entry, forecaster, split,
    horizon and date.
    """
    if "test" not in forecasts[SPLIT]:
        raise InputError(f"Run {run} has no forecasts of test days, so it cannot be scored.")
    scores: dict[int, EntryScore] = {}
    tables = []
    for lag, entry_returns in returns_by_lag(returns, entry_lag).items():
        own_oracle = oracle_name(lag, entry_lag)
        is_other_oracle = pl.col(FORECASTER).str.starts_with(ORACLE) & (pl.col(FORECASTER) != own_oracle)
        others = baselines.filter(~is_other_oracle).with_columns(pl.col(FORECASTER).replace(own_oracle, ORACLE))
        scores[lag], table = score_entry(forecasts, others, entry_returns, params)
        tables.append(table.select(pl.lit(lag, pl.Int8).alias(ENTRY_LAG), pl.all()))
    daily = pl.concat(tables)
    own = daily.filter((pl.col(FORECASTER) == NETWORK) & (pl.col(ENTRY_LAG) == entry_lag))
    days = own.group_by(SPLIT, maintain_order=True).agg(first=pl.col(DATE).min(), last=pl.col(DATE).max())
    score = RunScore(
        run=run,
        days={split: (str(first), str(last)) for split, first, last in days.rows()},
        entry_lag=entry_lag,
        **{entry: scores[lag] for entry, lag in ENTRY_LAGS.items() if lag != entry_lag and lag in scores},
        **dict(scores[entry_lag]),
    )
    return score, daily


def score_entry(
    forecasts: pl.DataFrame, baselines: pl.DataFrame, returns: pl.DataFrame, params: EvaluationParams
) -> tuple[EntryScore, pl.DataFrame]:
    """Score a run and its baselines in each split and on each day, by the returns at one entry."""
    scores: dict[str, dict[int, HorizonScore]] = {}
    oracle: dict[str, dict[int, HorizonScore]] = {}
    names = baselines[FORECASTER].unique(maintain_order=True).to_list()
    paired: dict[str, dict[str, dict[int, BaselineScore]]] = {name: {} for name in names if name != ORACLE}
    tables = []
    for split in forecasts[SPLIT].unique(maintain_order=True):
        own = forecasts.filter(pl.col(SPLIT) == split)
        realised = index_returns(returns.filter(pl.col(DATE).is_between(own[DATE].min(), own[DATE].max())))
        own_scored = score_forecasts(own, realised, params)
        scores[split] = own_scored.score.horizons
        tables.append(_add_keys(own_scored, NETWORK, split))
        for name, table in _group_by_forecaster(baselines.filter(pl.col(SPLIT) == split)):
            scored = score_forecasts(table, realised, params)
            tables.append(_add_keys(scored, name, split))
            if name == ORACLE:
                oracle[split] = scored.score.horizons
            else:
                same_keys = _score_same_keys(own, table, realised, params) or own_scored
                paired[name][split] = pair_with_baseline(same_keys, scored, is_zero=name == ZERO)
    members = [name for name in paired if name.startswith(MEMBER_PREFIX)]
    score = EntryScore(
        split=scores,
        baselines={name: splits for name, splits in paired.items() if name not in members},
        seeds={name.removeprefix(MEMBER_PREFIX): paired[name] for name in members},
        published=_score_as_published(forecasts, baselines, returns),
        oracle=oracle,
    )
    return score, pl.concat(tables)


def _score_as_published(
    forecasts: pl.DataFrame, baselines: pl.DataFrame, returns: pl.DataFrame
) -> dict[str, PublishedScore]:
    """Score the test forecasts over one day as papers do; empty without such forecasts."""
    own = forecasts.filter(IS_ONE_DAY_TEST).select(DATE, CODE, FORECAST)
    if own.is_empty() or target(1) not in returns.columns:
        return {}
    realised = returns.select(DATE, CODE, pl.col(target(1)).alias(REALISED))
    others = baselines.filter(IS_ONE_DAY_TEST, pl.col(FORECASTER) != ORACLE)
    tables = {NETWORK: own, **dict(_group_by_forecaster(others))}
    return {
        name: score_as_published(table.join(realised, on=[DATE, CODE], how="left", maintain_order="left"))
        for name, table in tables.items()
    }


def _group_by_forecaster(baselines: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for name in baselines[FORECASTER].unique(maintain_order=True):
        yield name, baselines.filter(pl.col(FORECASTER) == name).select(DATE, CODE, HORIZON, FORECAST)


def _score_same_keys(
    own: pl.DataFrame, baseline: pl.DataFrame, realised: RealisedReturns, params: EvaluationParams
) -> ScoredForecasts | None:
    """Score a run on the keys of a baseline only; None if these are all keys of the run."""
    same_keys = own.join(baseline, on=[DATE, CODE, HORIZON], how="semi")
    return None if len(same_keys) == len(own) else score_forecasts(same_keys, realised, params)


def _add_keys(scored: ScoredForecasts, forecaster: str, split: str) -> pl.DataFrame:
    return scored.daily.select(pl.lit(forecaster).alias(FORECASTER), pl.lit(split).alias(SPLIT), pl.all())


def pair_with_baseline(own: ScoredForecasts, baseline: ScoredForecasts, *, is_zero: bool) -> dict[int, BaselineScore]:
    """Pair a run with a baseline by day; the zero baseline has an IC of 0 by definition."""
    paired = {}
    for horizon, score in baseline.score.horizons.items():
        days = join_days(own.daily, baseline.daily, horizon)
        if is_zero:
            days = days.with_columns(pl.col("^.*_right$").fill_null(0))
        paired[horizon] = BaselineScore(score=score, differences=compute_paired_differences(days, horizon))
    return paired


def join_days(left: pl.DataFrame, right: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Join the days of two forecasters over a horizon; columns of ``right`` end in ``_right``."""
    own, other = (table.filter(pl.col(HORIZON) == horizon) for table in (left, right))
    return own.join(other, on=DATE, how="inner", maintain_order="left")


def compute_paired_differences(days: pl.DataFrame, horizon: int) -> dict[str, Mean]:
    """Average the daily differences, left minus right, where both are defined."""
    differences = {metric: days[metric] - days[f"{metric}_right"] for metric in PAIRED if metric in days.columns}
    return {
        metric: average(values.cast(pl.Float64).fill_null(np.nan).to_numpy(), horizon, values.is_not_null().to_numpy())
        for metric, values in differences.items()
    }
