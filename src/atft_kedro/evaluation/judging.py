"""A run beside its rivals: each part of the days scored, each forecaster paired with the run by day."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from ..params import InputError
from ..schema import (
    ALONE,
    CLOSE,
    CODE,
    DATE,
    FORECAST,
    FORECASTER,
    HORIZON,
    REALISED,
    SPLIT,
    VOLUME,
    target,
    target_columns,
)
from .baselines import ORACLE, ZERO
from .laying import Ground, lay_ground
from .published import PublishedScore, score_as_published
from .score import EvaluationParams, HorizonScore, Judged, Rival, RunScore, judge
from .series import Mean, average

NETWORK = "network"
PAIRED = ("ic", "rank_ic", "long_short_net")


def judge_run(
    run: str, forecasts: pl.DataFrame, rivals: pl.DataFrame, dataset: pl.LazyFrame, params: EvaluationParams
) -> tuple[RunScore, pl.DataFrame]:
    """Score a run and its rivals (``forecaster``, and the columns of forecasts) in each part by the returns that came.

    Rivals that are called ``seed 7`` are one of the run's own networks. The days are told too: a row for each
    forecaster, part, horizon and date.
    """
    if "test" not in forecasts[SPLIT]:
        raise InputError(f"Run {run} forecasts no test day, and cannot be judged.")
    split: dict[str, dict[str, HorizonScore]] = {}
    days, tables = {}, []
    names = rivals[FORECASTER].unique(maintain_order=True).to_list()
    beside: dict[str, dict[str, dict[str, Rival]]] = {name: {} for name in names if name != ORACLE}
    oracle: dict[str, dict[str, HorizonScore]] = {}
    for part in forecasts[SPLIT].unique(maintain_order=True):
        said = forecasts.filter(pl.col(SPLIT) == part)
        ground = lay_ground(read_realised(dataset, said))
        mine = judge(said, ground, params)
        split[part], days[part] = mine.score.horizons, (mine.score.first, mine.score.last)
        tables.append(_name(mine, NETWORK, part))
        for name, theirs in _judge_rivals(rivals.filter(pl.col(SPLIT) == part), ground, params):
            tables.append(_name(theirs, name, part))
            if name == ORACLE:
                oracle[part] = theirs.score.horizons
            else:
                alike = _judge_alike(said, rivals, (name, part), ground, params) or mine
                beside[name][part] = pair(alike, theirs, is_zero=name == ZERO)
    score = RunScore(
        run=run,
        split=split,
        days=days,
        baselines={name: each for name, each in beside.items() if not name.startswith(ALONE)},
        seeds={name.removeprefix(ALONE): each for name, each in beside.items() if name.startswith(ALONE)},
        published=_judge_as_published(forecasts, rivals, dataset),
        oracle=oracle,
    )
    return score, pl.concat(tables)


def _judge_as_published(
    forecasts: pl.DataFrame, rivals: pl.DataFrame, dataset: pl.LazyFrame
) -> dict[str, PublishedScore]:
    """Score the next day's test forecasts as published tables do; nothing without forecasts of one day."""
    next_day = (pl.col(SPLIT) == "test") & (pl.col(HORIZON) == 1)
    mine = forecasts.filter(next_day).select(DATE, CODE, FORECAST)
    if mine.is_empty() or target(1) not in dataset.collect_schema():
        return {}
    came = read_realised(dataset, mine).select(DATE, CODE, pl.col(target(1)).alias(REALISED))
    theirs = rivals.filter(next_day, pl.col(FORECASTER) != ORACLE).partition_by(FORECASTER, as_dict=True)
    said = {NETWORK: mine} | {str(name): table.select(DATE, CODE, FORECAST) for (name,), table in theirs.items()}
    return {
        name: score_as_published(table.join(came, on=[DATE, CODE], how="left", maintain_order="left"))
        for name, table in said.items()
    }


def read_realised(dataset: pl.LazyFrame, said: pl.DataFrame) -> pl.DataFrame:
    """Read the returns that came on the days of some forecasts, and what was traded."""
    schema = dataset.collect_schema()
    wanted = [DATE, CODE, *target_columns(schema), *sorted({CLOSE, VOLUME} & schema.keys())]
    return dataset.select(wanted).filter(pl.col(DATE).is_between(said[DATE].min(), said[DATE].max())).collect()


def _judge_rivals(rivals: pl.DataFrame, ground: Ground, params: EvaluationParams) -> Iterable[tuple[str, Judged]]:
    for name in rivals[FORECASTER].unique(maintain_order=True):
        said = rivals.filter(pl.col(FORECASTER) == name).select(DATE, CODE, HORIZON, FORECAST)
        yield name, judge(said, ground, params)


def _judge_alike(
    said: pl.DataFrame, rivals: pl.DataFrame, which: tuple[str, str], ground: Ground, params: EvaluationParams
) -> Judged | None:
    """Score a run on what a rival forecasts, where that is less; None where it is all."""
    name, part = which
    theirs = rivals.filter((pl.col(FORECASTER) == name) & (pl.col(SPLIT) == part))
    alike = said.join(theirs, on=[DATE, CODE, HORIZON], how="semi")
    return None if len(alike) == len(said) else judge(alike, ground, params)


def _name(judged: Judged, forecaster: str, part: str) -> pl.DataFrame:
    return judged.daily.select(pl.lit(forecaster).alias(FORECASTER), pl.lit(part).alias(SPLIT), pl.all())


def pair(mine: Judged, theirs: Judged, *, is_zero: bool) -> dict[str, Rival]:
    """Say how far one forecaster is ahead of another, horizon by horizon; who says nothing has an IC of 0."""
    rivals = {}
    for name, score in theirs.score.horizons.items():
        beside = pair_days(mine.daily, theirs.daily, int(name[1:]))
        if is_zero:
            beside = beside.with_columns(pl.col("^.*_right$").fill_null(0))
        rivals[name] = Rival(score=score, ahead=measure_lead(beside, int(name[1:])))
    return rivals


def pair_days(one: pl.DataFrame, other: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Put the days of two forecasters over a horizon side by side."""
    mine, theirs = (table.filter(pl.col(HORIZON) == horizon) for table in (one, other))
    return mine.join(theirs, on=DATE, how="inner", maintain_order="left")


def measure_lead(days: pl.DataFrame, horizon: int) -> dict[str, Mean]:
    """Average by how much the left of two forecasters is ahead, over the days on which both are defined."""
    lead = {metric: days[metric] - days[f"{metric}_right"] for metric in PAIRED if metric in days.columns}
    return {
        metric: average(values.cast(pl.Float64).fill_null(np.nan).to_numpy(), horizon, values.is_not_null().to_numpy())
        for metric, values in lead.items()
    }
