"""One score for any forecast: correlations, hit rate, scale, deciles and portfolios of every horizon."""

from typing import Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from .. import metrics
from ..params import Params
from ..schema import CLOSE, VOLUME, target
from .laying import HORIZON as HORIZON_COLUMN
from .laying import Excluded, Field, Ground, lay_ground, lay_out, require_forecasts
from .portfolio import DECILES, Book, PortfolioParams, best, deciles, record, stagger, weigh
from .series import Floats, Mean, average, or_none


class EvaluationParams(Params):
    """How forecasts are scored; ``units`` are what forecasts are written in: a day's deviations, or returns."""

    units: Literal["deviations", "returns"] = "deviations"
    portfolio: PortfolioParams = PortfolioParams()


class HorizonScore(Params):
    """What forecasts over one horizon are worth."""

    ic: Mean
    rank_ic: Mean
    hit_rate: Mean
    scale: Mean  # deviation of the forecasts over that of the returns
    deciles: tuple[float | None, ...]  # mean return beyond the day's, worst tenth first
    long_short: Book | None  # daily, in books held for the horizon; needs returns of one day
    long_only: Book | None  # the best stocks, beyond the equal-weighted universe
    decay: dict[str, float | None]  # mean IC of the same forecasts with the returns of every horizon
    forecasts: int  # that were scored
    excluded: Excluded


class Score(Params):
    """What a set of forecasts is worth, by horizon: ``h1``, ``h5`` and so on."""

    horizons: dict[str, HorizonScore]
    first: str
    last: str


def evaluate(forecasts: pl.DataFrame, realised: pl.DataFrame, params: EvaluationParams | None = None) -> Score:
    """Score forecasts (date, code, horizon, forecast) by realised returns (date, code, target_1d, target_5d, …).

    Each day of each horizon is scored over the stocks whose forecast and return are known. Where the realised table
    holds ``close`` and ``volume``, portfolios have a capacity.
    """
    params = params or EvaluationParams()
    require_forecasts(forecasts)
    ground = lay_ground(realised)
    horizons = sorted(forecasts[HORIZON_COLUMN].unique().to_list())
    returns = ground.lay(ground.rows, target(1)) if target(1) in ground.rows.columns else None
    scores = {}
    days: list[np.ndarray] = []
    for horizon in horizons:
        field = lay_out(forecasts, ground, horizon)
        scores[f"h{horizon}"] = _score(field, ground, returns, params)
        days.append(field.days)
    every = np.concatenate(days)
    first, last = (str(every.min()), str(every.max())) if len(every) else ("", "")
    return Score(horizons=scores, first=first, last=last)


def _score(field: Field, ground: Ground, returns: Tensor | None, params: EvaluationParams) -> HorizonScore:
    forecast, actual, horizon = field.forecast, field.actual, field.horizon
    valid = metrics.valid_pairs(forecast, actual)
    unit = metrics.deviation(actual, valid).unsqueeze(-1) if params.units == "deviations" else torch.ones(())
    books = _trade(field, ground, returns, params.portfolio) if returns is not None else (None, None)
    return HorizonScore(
        ic=_average(metrics.daily_ic(forecast, actual), horizon),
        rank_ic=_average(metrics.daily_rank_ic(forecast, actual), horizon),
        hit_rate=_average(metrics.daily_hit_rate(forecast, actual), horizon),
        scale=_average(metrics.daily_scale(forecast, actual / unit), horizon),
        deciles=earn_by_decile(forecast, actual, valid),
        long_short=books[0],
        long_only=books[1],
        decay=_decay(field, ground),
        forecasts=int(valid.sum()),
        excluded=field.excluded,
    )


def _average(daily: Tensor, horizon: int) -> Mean:
    return average(daily.numpy().astype(np.float64), horizon)


def earn_by_decile(forecast: Tensor, actual: Tensor, valid: Tensor) -> tuple[float | None, ...]:
    """Average what each tenth earned beyond its day's mean, over the days that have stocks enough."""
    group = deciles(forecast, valid)
    count = valid.sum(-1, keepdim=True).clamp(min=1)
    beyond = (actual - actual.where(valid, 0).sum(-1, keepdim=True) / count).where(valid, 0)
    earned = []
    for number in range(DECILES):
        mine = group == number
        by_day: Floats = (beyond.where(mine, 0).sum(-1) / mine.sum(-1)).numpy()
        known = by_day[np.isfinite(by_day)]
        earned.append(or_none(known.mean()) if len(known) else None)
    return tuple(earned)


def _trade(field: Field, ground: Ground, returns: Tensor, params: PortfolioParams) -> tuple[Book, Book]:
    """Trade the forecasts day by day, each book held for the horizon."""
    start = int(np.searchsorted(ground.days.to_numpy(), field.days[0])) if len(field.days) else 0
    mine = slice(start, start + len(field.days))
    daily = returns[mine]
    value = _traded_value(ground, mine)
    held = stagger(weigh(field.forecast, params.weights), field.horizon)
    everyone = daily.isfinite().double()
    beyond = daily - (daily.nan_to_num(0).sum(-1) / everyone.sum(-1).clamp(min=1)).unsqueeze(-1)
    longs = stagger(best(field.forecast, params.top), field.horizon)
    return record(held, daily, value, params, field.horizon), record(longs, beyond, value, params, field.horizon)


def _traded_value(ground: Ground, days: slice) -> Tensor | None:
    if not {CLOSE, VOLUME} <= set(ground.rows.columns):
        return None
    return ground.lay(ground.rows, CLOSE)[days] * ground.lay(ground.rows, VOLUME)[days]


def _decay(field: Field, ground: Ground) -> dict[str, float | None]:
    start = int(np.searchsorted(ground.days.to_numpy(), field.days[0])) if len(field.days) else 0
    told = {}
    for name in sorted((name for name in ground.rows.columns if name.startswith("target_")), key=_days_of):
        actual = ground.lay(ground.rows, name)[start : start + len(field.days)]
        told[f"h{_days_of(name)}"] = or_none(metrics.mean_of(metrics.daily_ic(field.forecast, actual)))
    return told


def _days_of(name: str) -> int:
    return int(name.removeprefix("target_").removesuffix("d"))
