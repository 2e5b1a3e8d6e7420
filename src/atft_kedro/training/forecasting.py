"""Forecasts of whole parts, and how good they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .. import metrics
from ..network.atft import Atft
from ..network.sizes import Part
from ..panel.blocks import BlockReader
from .ranks import Ranks


@dataclass(frozen=True)
class Forecasts:
    """What a network says of a part's days; NaN where nothing is forecast or known."""

    day: Tensor  # int64 (day,) in the panel
    quantiles: Tensor  # float32 (day, stock, horizon, quantile)
    targets: Tensor  # float32 (day, stock, horizon)


@torch.no_grad()
def forecast_days(
    network: Atft, reader: BlockReader, blocks: Iterable[np.ndarray], parts: frozenset[Part]
) -> Forecasts:
    """Forecast all days of some blocks, in their order."""
    was_training = network.training
    network.eval()
    stocks = reader.panel.row_of.shape[1]
    days, said, known = [], [], []
    for asked in blocks:
        block = reader.read(asked)
        there = block.day >= 0
        days.append(block.day[there])
        forecast = network(block, parts).where(block.is_forecast[..., None, None], torch.nan)
        said.append(_spread(forecast, block.stock, stocks)[there])
        known.append(_spread(block.targets, block.stock, stocks)[there])
    network.train(was_training)
    return Forecasts(torch.cat(days), torch.cat(said), torch.cat(known))


def _spread(values: Tensor, stock: Tensor, stocks: int) -> Tensor:
    """Bring a block's stocks (day, stock, …) to their places among all; −1 has none."""
    whole = torch.full((len(values), stocks + 1, *values.shape[2:]), torch.nan, device=values.device)
    whole[:, stock] = values.float()
    return whole[:, :stocks]


def score_days(
    network: Atft,
    reader: BlockReader,
    blocks: Iterable[np.ndarray],
    parts: frozenset[Part],
    weights: Sequence[float],
    ranks: Ranks,
) -> dict[str, float]:
    """Average rank IC, IC and scale over the days of all ranks, for each horizon, and over the horizons weighed.

    The rank IC of each horizon of h days has its standard error, as if every h-th day said something new.
    """
    forecasts = forecast_days(network, reader, blocks, parts)
    point = network.point(forecasts.quantiles).transpose(1, 2)  # (day, horizon, stock)
    actual = forecasts.targets.transpose(1, 2)
    spread = metrics.deviation(actual, actual.isfinite()).unsqueeze(-1)
    daily = {
        "rank_ic": metrics.daily_rank_ic(point, actual),
        "ic": metrics.daily_ic(point, actual),
        "scale": metrics.daily_scale(point, actual / spread),  # the labels' deviation is one
    }
    sums = {name: _add_up(values) for name, values in daily.items()}
    ranks.add(list(sums.values()))
    share = torch.tensor(weights, dtype=torch.float64, device=point.device)
    scores = {}
    for name, (total, days, _) in sums.items():
        mean = total / days
        for place, horizon in enumerate(network.horizons):
            scores[f"{name}_{horizon}d"] = float(mean[place])
        known = days > 0
        scores[name] = float((mean * share)[known].sum() / share[known].sum())
    return scores | _measure_errors(sums["rank_ic"], network.horizons)


def _add_up(values: Tensor) -> Tensor:
    """Add up what is defined of each column (day, horizon): itself, how often that is, and its square."""
    return torch.stack([values.nansum(0), values.isfinite().sum(0), values.square().nansum(0)]).double()


def _measure_errors(sums: Tensor, horizons: Sequence[int]) -> dict[str, float]:
    """Say how far each horizon's mean rank IC may be off."""
    total, days, squares = sums
    variance = ((squares - total.square() / days) / (days - 1)).clamp(min=0)  # NaN of one day
    overlap = torch.tensor(horizons, dtype=torch.float64, device=sums.device)
    errors = (variance * overlap / days).sqrt()
    return {f"se_rank_ic_{horizon}d": float(error) for horizon, error in zip(horizons, errors, strict=True)}
