"""What forecasts are worth day by day, measured a stretch of days at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .. import metrics
from .align import HorizonForecasts
from .daily_statistics import Floats
from .quantiles import Units, daily_coverage, label_returns

METRICS = ("ic", "rank_ic", "hit_rate", "scale")


@dataclass(frozen=True)
class Days:
    """A field's days; NaN where a day supports no number."""

    numbers: dict[str, Floats]  # (day,) by metric
    decay: dict[int, Floats]  # (day,) IC with the returns over each horizon
    coverage: dict[str, Floats]  # (day,) by quantile
    tenths: dict[str, Floats]  # (day, tenth) mean of what was earned beyond the day's mean, forecast and labelled
    stocks: Floats  # (day,) that are forecast and whose return is known


def measure_days(field: HorizonForecasts, units: Units) -> Days:
    """Measure every day."""
    parts = [_measure(field, stretch, units) for stretch in field.stretches()]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    quantiles = {name: field.lay(name) for name in field.quantiles()}
    return Days(
        numbers={name: whole[name] for name in METRICS},
        decay={horizon: whole[f"decay {horizon}"] for horizon in field.ground.returns},
        coverage={name: _cover(field, quantile, units) for name, quantile in quantiles.items()},
        tenths={name: whole[name] for name in ("earned", "forecast", "label")},
        stocks=whole["stocks"],
    )


def _measure(field: HorizonForecasts, stretch: slice, units: Units) -> dict[str, Floats]:
    forecast, actual = field.forecast[stretch], field.actual[stretch]
    valid = metrics.valid_pairs(forecast, actual)
    came = metrics.ranks(actual, valid)
    label = label_returns(actual, valid, units, came)
    count = valid.sum(-1)
    beyond = actual - actual.where(valid, 0).sum(-1, keepdim=True) / count.clamp(min=1).unsqueeze(-1)
    rank = field.rank[stretch] if torch.equal(valid, forecast.isfinite()) else metrics.ranks(forecast, valid)
    measured = {
        "ic": metrics.daily_ic(forecast, actual),
        "rank_ic": metrics.daily_ic(rank, came),  # which is what Spearman's is
        "hit_rate": metrics.daily_hit_rate(forecast, actual),
        "scale": metrics.daily_scale(forecast, label),
    }
    for horizon in field.ground.returns:
        other = field.returns(horizon)[stretch]
        measured[f"decay {horizon}"] = metrics.daily_ic(forecast, other) if horizon != field.horizon else measured["ic"]
    tenths = zip(
        ("earned", "forecast", "label"), average_by_tenth(metrics.deciles(rank), beyond, forecast, label), strict=True
    )
    return {name: values.double().numpy() for name, values in (measured | dict(tenths) | {"stocks": count}).items()}


def average_by_tenth(group: Tensor, *values: Tensor) -> Iterator[Tensor]:
    """Average values (day, stock) over each day's tenths (day, tenth); NaN where a tenth is empty."""
    place = group + 1  # those in none come first
    count = torch.zeros(len(group), metrics.DECILES + 1, dtype=torch.float64)
    count.scatter_add_(1, place, torch.ones_like(group, dtype=torch.float64))
    for each in values:
        total = torch.zeros_like(count).scatter_add_(1, place, each.where(group >= 0, 0).double())
        yield (total / count)[:, 1:]


def _cover(field: HorizonForecasts, quantile: Tensor, units: Units) -> Floats:
    covered = []
    for stretch in field.stretches():
        forecast, actual = field.forecast[stretch], field.actual[stretch]
        label = label_returns(actual, metrics.valid_pairs(forecast, actual), units)
        covered.append(daily_coverage(quantile[stretch], label).numpy())
    return np.concatenate(covered)
