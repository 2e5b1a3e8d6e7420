"""A run beside its rivals: each part of the days scored, each forecaster paired with the run by day."""

from collections.abc import Iterable

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
from .baselines import ORACLE, ZERO, oracle_name
from .daily_statistics import Mean, average
from .entries import returns_by_lag
from .published import PublishedScore, score_as_published
from .score import BaselineScore, EntryScore, EvaluationParams, HorizonScore, RunScore, ScoredForecasts, judge

NETWORK = "network"
PAIRED = ("ic", "rank_ic", "long_short_net")


def score_run(
    run: str,
    forecasts: pl.DataFrame,
    rivals: pl.DataFrame,
    returns: pl.DataFrame,
    params: EvaluationParams,
    entry_lag: int,
) -> tuple[RunScore, pl.DataFrame]:
    """Score a run and its rivals (``forecaster``, and the columns of forecasts) in each part, from every entry.

    ``returns`` are those of `collect_returns`. Rivals that are called ``seed 7`` are one of the run's own networks.
    The second table has a row for each entry, forecaster, part, horizon and date.
    """
    if "test" not in forecasts[SPLIT]:
        raise InputError(f"Run {run} forecasts no test day, and cannot be scored.")
    scores: dict[int, EntryScore] = {}
    tables = []
    for lag, entry_returns in returns_by_lag(returns, entry_lag).items():
        own_oracle = oracle_name(lag, entry_lag)
        others = pl.col(FORECASTER).str.starts_with(ORACLE) & (pl.col(FORECASTER) != own_oracle)
        compared = rivals.filter(~others).with_columns(pl.col(FORECASTER).replace(own_oracle, ORACLE))
        scores[lag], table = score_entry(forecasts, compared, entry_returns, params)
        tables.append(table.select(pl.lit(lag, pl.Int8).alias(ENTRY_LAG), pl.all()))
    daily = pl.concat(tables)
    own = daily.filter((pl.col(FORECASTER) == NETWORK) & (pl.col(ENTRY_LAG) == entry_lag))
    days = own.group_by(SPLIT, maintain_order=True).agg(first=pl.col(DATE).min(), last=pl.col(DATE).max())
    score = RunScore(
        run=run,
        days={part: (str(first), str(last)) for part, first, last in days.rows()},
        entry_lag=entry_lag,
        **{entry: scores[lag] for entry, lag in ENTRY_LAGS.items() if lag != entry_lag and lag in scores},
        **dict(scores[entry_lag]),
    )
    return score, daily


def score_entry(
    forecasts: pl.DataFrame, rivals: pl.DataFrame, returns: pl.DataFrame, params: EvaluationParams
) -> tuple[EntryScore, pl.DataFrame]:
    """Score a run and its rivals in each part, and on each day, by the returns from one entry."""
    split: dict[str, dict[int, HorizonScore]] = {}
    tables = []
    names = rivals[FORECASTER].unique(maintain_order=True).to_list()
    beside: dict[str, dict[str, dict[int, BaselineScore]]] = {name: {} for name in names if name != ORACLE}
    oracle: dict[str, dict[int, HorizonScore]] = {}
    for part in forecasts[SPLIT].unique(maintain_order=True):
        said = forecasts.filter(pl.col(SPLIT) == part)
        ground = index_returns(returns.filter(pl.col(DATE).is_between(said[DATE].min(), said[DATE].max())))
        mine = judge(said, ground, params)
        split[part] = mine.score.horizons
        tables.append(_name(mine, NETWORK, part))
        for name, theirs in _judge_rivals(rivals.filter(pl.col(SPLIT) == part), ground, params):
            tables.append(_name(theirs, name, part))
            if name == ORACLE:
                oracle[part] = theirs.score.horizons
            else:
                alike = _judge_alike(said, rivals, (name, part), ground, params) or mine
                beside[name][part] = pair(alike, theirs, is_zero=name == ZERO)
    score = EntryScore(
        split=split,
        baselines={name: each for name, each in beside.items() if not name.startswith(MEMBER_PREFIX)},
        seeds={
            name.removeprefix(MEMBER_PREFIX): each for name, each in beside.items() if name.startswith(MEMBER_PREFIX)
        },
        published=_judge_as_published(forecasts, rivals, returns),
        oracle=oracle,
    )
    return score, pl.concat(tables)


def _judge_as_published(
    forecasts: pl.DataFrame, rivals: pl.DataFrame, returns: pl.DataFrame
) -> dict[str, PublishedScore]:
    """Score the next day's test forecasts as published tables do; nothing without forecasts of one day."""
    next_day = (pl.col(SPLIT) == "test") & (pl.col(HORIZON) == 1)
    mine = forecasts.filter(next_day).select(DATE, CODE, FORECAST)
    if mine.is_empty() or target(1) not in returns.columns:
        return {}
    came = returns.select(DATE, CODE, pl.col(target(1)).alias(REALISED))
    theirs = rivals.filter(next_day, pl.col(FORECASTER) != ORACLE).partition_by(FORECASTER, as_dict=True)
    said = {NETWORK: mine} | {str(name): table.select(DATE, CODE, FORECAST) for (name,), table in theirs.items()}
    return {
        name: score_as_published(table.join(came, on=[DATE, CODE], how="left", maintain_order="left"))
        for name, table in said.items()
    }


def _judge_rivals(
    rivals: pl.DataFrame, ground: RealisedReturns, params: EvaluationParams
) -> Iterable[tuple[str, ScoredForecasts]]:
    for name in rivals[FORECASTER].unique(maintain_order=True):
        said = rivals.filter(pl.col(FORECASTER) == name).select(DATE, CODE, HORIZON, FORECAST)
        yield name, judge(said, ground, params)


def _judge_alike(
    said: pl.DataFrame, rivals: pl.DataFrame, which: tuple[str, str], ground: RealisedReturns, params: EvaluationParams
) -> ScoredForecasts | None:
    """Score a run on what a rival forecasts, where that is less; None where it is all."""
    name, part = which
    theirs = rivals.filter((pl.col(FORECASTER) == name) & (pl.col(SPLIT) == part))
    alike = said.join(theirs, on=[DATE, CODE, HORIZON], how="semi")
    return None if len(alike) == len(said) else judge(alike, ground, params)


def _name(judged: ScoredForecasts, forecaster: str, part: str) -> pl.DataFrame:
    return judged.daily.select(pl.lit(forecaster).alias(FORECASTER), pl.lit(part).alias(SPLIT), pl.all())


def pair(mine: ScoredForecasts, theirs: ScoredForecasts, *, is_zero: bool) -> dict[int, BaselineScore]:
    """Say how far one forecaster is ahead of another, horizon by horizon; who says nothing has an IC of 0."""
    rivals = {}
    for horizon, score in theirs.score.horizons.items():
        beside = join_days(mine.daily, theirs.daily, horizon)
        if is_zero:
            beside = beside.with_columns(pl.col("^.*_right$").fill_null(0))
        rivals[horizon] = BaselineScore(score=score, differences=compute_paired_differences(beside, horizon))
    return rivals


def join_days(one: pl.DataFrame, other: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Put the days of two forecasters over a horizon side by side."""
    mine, theirs = (table.filter(pl.col(HORIZON) == horizon) for table in (one, other))
    return mine.join(theirs, on=DATE, how="inner", maintain_order="left")


def compute_paired_differences(days: pl.DataFrame, horizon: int) -> dict[str, Mean]:
    """Average by how much the left of two forecasters is ahead, over the days on which both are defined."""
    lead = {metric: days[metric] - days[f"{metric}_right"] for metric in PAIRED if metric in days.columns}
    return {
        metric: average(values.cast(pl.Float64).fill_null(np.nan).to_numpy(), horizon, values.is_not_null().to_numpy())
        for metric, values in lead.items()
    }
