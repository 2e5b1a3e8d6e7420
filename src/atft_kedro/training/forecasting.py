"""Forecasts of whole modules, and how good they are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from .. import metrics
from ..network.atft import Atft
from ..network.params import ModuleName
from ..panel.blocks import Block, BlockReader
from .distributed import ProcessGroup


@dataclass(frozen=True)
class Forecasts:
    """What a network says of a part's days; NaN where nothing is forecast or known."""

    day: Tensor  # int64 (day,) in the panel
    quantiles: Tensor  # float32 (day, stock, horizon, quantile)
    targets: Tensor  # float32 (day, stock, horizon)

    def cpu(self) -> Self:
        """Copy the forecasts to the processor's memory, for tables."""
        return type(self)(self.day.cpu(), self.quantiles.cpu(), self.targets.cpu())


@torch.no_grad()
def forecast_days(
    network: Atft,
    reader: BlockReader,
    blocks: Iterable[np.ndarray],
    modules: frozenset[ModuleName],
    see: Callable[[Block, Tensor], None] = lambda block, forecast: None,
) -> Forecasts:
    """Forecast all days of some blocks, in their order; call ``see`` with each block and its forecasts."""
    was_training = network.training
    network.eval()
    stocks = reader.panel.row_of.shape[1]
    days, said, known = [], [], []
    for asked in blocks:
        block = reader.read(asked)
        there = block.day >= 0
        days.append(block.day[there])
        forecast = network(block, modules)
        see(block, forecast)
        forecast = forecast.where(block.is_forecast[..., None, None], torch.nan)
        said.append(_spread(forecast, block.stock, stocks)[there])
        known.append(_spread(block.targets, block.stock, stocks)[there])
    network.train(was_training)
    return Forecasts(torch.cat(days), torch.cat(said), torch.cat(known))


def _spread(values: Tensor, stock: Tensor, stocks: int) -> Tensor:
    """Bring a block's stocks (day, stock, …) to their places among all; −1 has none."""
    whole = torch.full((len(values), stocks + 1, *values.shape[2:]), torch.nan, device=values.device)
    whole[:, stock] = values.float()
    return whole[:, :stocks]


@dataclass(frozen=True)
class Scoring:
    """How forecasts are scored: each horizon's weight in the averages, what a trade costs, and the loss of a block.

    ``loss`` gives each horizon's loss, summed over a block's days, and how many days that is (2, horizon).
    """

    weights: Sequence[float]
    cost: float
    loss: Callable[[Block, Tensor], Tensor]


def make_plain_scoring(horizons: int) -> Scoring:
    """Weigh all horizons alike, and compute no loss."""
    return Scoring([1.0] * horizons, 0.0, lambda block, forecast: torch.zeros(2, horizons, device=forecast.device))


def score_days(
    network: Atft,
    reader: BlockReader,
    blocks: Iterable[np.ndarray],
    modules: frozenset[ModuleName],
    scoring: Scoring,
    group: ProcessGroup,
) -> dict[str, float]:
    """Score the days of all ranks by every metric, for each horizon and averaged over the weighed horizons.

    The rank IC of each horizon of h days has its standard error, as if every h-th day said something new.
    """
    losses = torch.zeros(2, len(network.horizons), dtype=torch.float64, device=reader.panel.row_of.device)

    def add_loss(block: Block, forecast: Tensor) -> None:
        losses.add_(scoring.loss(block, forecast))

    with torch.random.fork_rng(devices=[]):  # the loss rank_net draws pairs, which must change no training
        torch.default_generator.manual_seed(0)
        forecasts = forecast_days(network, reader, blocks, modules, add_loss)
    group.all_reduce([losses])
    point, actual = _gather(forecasts.day, [network.point(forecasts.quantiles), forecasts.targets], group)
    point, actual = point.transpose(1, 2), actual.transpose(1, 2)  # (day, horizon, stock)
    daily = _measure_days(point, actual)
    means = {name: values.nanmean(0) for name, values in daily.items()}
    books = [
        metrics.net_sharpe(point[:, place], actual[:, place], horizon, scoring.cost)
        for place, horizon in enumerate(network.horizons)
    ]
    means |= {"net_sharpe": torch.stack(books), "loss": losses[0] / losses[1]}
    scores = _average_horizons(means, network.horizons, scoring.weights)
    scores |= _measure_errors(_add_up(daily["rank_ic"]), network.horizons)
    return group.broadcast(scores)  # the same bits for all, who decide by them when a phase ends


def _measure_days(point: Tensor, actual: Tensor) -> dict[str, Tensor]:
    """Compute the daily metrics (day, horizon)."""
    spread = metrics.deviation(actual, actual.isfinite()).unsqueeze(-1)
    return {
        "rank_ic": metrics.daily_rank_ic(point, actual),
        "ic": metrics.daily_ic(point, actual),
        "hit_rate": metrics.daily_hit_rate(point, actual),
        "scale": metrics.daily_scale(point, actual / spread),  # the labels' deviation is one
    }


def _average_horizons(
    means: Mapping[str, Tensor], horizons: Sequence[int], weights: Sequence[float]
) -> dict[str, float]:
    """Name each horizon's mean, and average the horizons that have one."""
    scores: dict[str, float] = {}
    for name, mean in means.items():
        share = torch.tensor(weights, dtype=torch.float64, device=mean.device)
        known = mean.isfinite()
        scores |= {f"{name}_{days}d": value for days, value in zip(horizons, mean.tolist(), strict=True)}
        scores[name] = float((mean * share)[known].sum() / share[known].sum())
    return scores


def _gather(day: Tensor, tensors: list[Tensor], group: ProcessGroup) -> list[Tensor]:
    """Gather the days (day, …) of all ranks, in the order of time."""
    if group.size == 1:
        return tensors
    days = torch.tensor(sorted(each for mine in group.all_gather(day.tolist()) for each in mine), device=day.device)
    place = torch.searchsorted(days, day)
    wholes = [values.new_zeros(len(days), *values.shape[1:]).index_copy(0, place, values) for values in tensors]
    group.all_reduce(wholes)
    return wholes


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
