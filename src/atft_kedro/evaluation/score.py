"""One score for any forecast: correlations, hit rate, scale, deciles and portfolios of every horizon."""

from typing import Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from .. import metrics
from ..params import Params
from ..schema import HORIZON
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
    long_only: Book | None  # the best stocks, beyond the mean of all that are forecast
    decay: dict[str, float | None]  # mean IC of the same forecasts with the returns of every horizon
    forecasts: int  # that were scored
    excluded: Excluded


class Score(Params):
    """What a set of forecasts is worth, by horizon: ``h1``, ``h5`` and so on."""

    horizons: dict[str, HorizonScore]
    first: str
    last: str


class RunScore(Params):
    """What a run's forecasts are worth, in each part of the days and over each horizon: ``h1``, ``h5`` and so on."""

    run: str
    split: dict[str, dict[str, HorizonScore]]
    days: dict[str, tuple[str, str]]  # the first and the last of each part


def evaluate(forecasts: pl.DataFrame, realised: pl.DataFrame, params: EvaluationParams | None = None) -> Score:
    """Score forecasts (date, code, horizon, forecast) by realised returns (date, code, target_1d, target_5d, …).

    Each day of each horizon is scored over the stocks whose forecast and return are known. Where the realised table
    holds ``close`` and ``volume``, portfolios have a capacity.
    """
    params = params or EvaluationParams()
    require_forecasts(forecasts)
    ground = lay_ground(realised)
    fields = [lay_out(forecasts, ground, horizon) for horizon in sorted(forecasts[HORIZON].unique().to_list())]
    first, last = min(field.days.start for field in fields), max(field.days.stop for field in fields) - 1
    return Score(
        horizons={f"h{field.horizon}": _score(field, ground, params) for field in fields},
        first=str(ground.days[first]),
        last=str(ground.days[last]),
    )


def _score(field: Field, ground: Ground, params: EvaluationParams) -> HorizonScore:
    forecast, actual, horizon = field.forecast, field.actual, field.horizon
    valid = metrics.valid_pairs(forecast, actual)
    asked = (valid.sum(-1) >= metrics.FEWEST).numpy()
    unit = metrics.deviation(actual, valid).unsqueeze(-1) if params.units == "deviations" else torch.ones(())
    daily = {
        "ic": metrics.daily_ic(forecast, actual),
        "rank_ic": metrics.daily_rank_ic(forecast, actual),
        "hit_rate": metrics.daily_hit_rate(forecast, actual),
        "scale": metrics.daily_scale(forecast, actual / unit),
    }
    books = _trade(field, ground, params.portfolio) if 1 in ground.returns else (None, None)
    return HorizonScore(
        **{name: average(values.double().numpy(), horizon, asked) for name, values in daily.items()},
        deciles=earn_by_decile(forecast, actual, valid),
        long_short=books[0],
        long_only=books[1],
        decay={
            f"h{other}": or_none(metrics.mean_of(metrics.daily_ic(forecast, returns[field.days])))
            for other, returns in ground.returns.items()
        },
        forecasts=int(valid.sum()),
        excluded=field.excluded,
    )


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


def _trade(field: Field, ground: Ground, params: PortfolioParams) -> tuple[Book, Book]:
    """Trade the forecasts day by day, each book held for the horizon, as long as returns are known."""
    known = ground.returns[1][field.days].isfinite().any(-1).nonzero().flatten().tolist() or [-1]
    forecast, mine = field.forecast[: known[-1] + 1], slice(field.days.start, field.days.start + known[-1] + 1)
    daily, value = ground.returns[1][mine], None if ground.traded is None else ground.traded[mine]
    universe = forecast.isfinite() & daily.isfinite()
    market = daily.where(universe, 0).sum(-1, keepdim=True) / universe.sum(-1, keepdim=True).clamp(min=1)
    held = stagger(weigh(forecast, params.weights), field.horizon)
    longs = stagger(best(forecast, params.top), field.horizon)
    return (
        record(held, daily, value, params, field.horizon),
        record(longs, daily - market, value, params, field.horizon),
    )
