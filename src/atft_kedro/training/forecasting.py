"""Forecasts of many days by one network or by all networks of a run, and their scores by every metric."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from .. import metrics
from ..files import parse_model
from ..network.atft import Atft
from ..network.params import ModuleName, NetworkParams
from ..panel.blocks import Block, BlockReader
from ..panel.split import SplitName
from .checkpoint import BEST, make_identity, make_version_error, read_checkpoint, require_same_structure
from .data import TrainingData, choose_horizons
from .distributed import TrainingProcesses
from .params import TrainingParams
from .runs import MANIFEST, read_manifest


@dataclass(frozen=True)
class Forecasts:
    """A network's forecasts and the targets of some days; NaN where not forecast or unknown."""

    day: Tensor  # int64 (day,) in the panel
    quantiles: Tensor  # float32 (day, stock, horizon, quantile)
    targets: Tensor  # float32 (day, stock, horizon)

    def cpu(self) -> Self:
        """Copy the forecasts to the CPU."""
        return type(self)(self.day.cpu(), self.quantiles.cpu(), self.targets.cpu())


@torch.no_grad()
def forecast_days(
    network: Atft,
    reader: BlockReader,
    blocks: Iterable[np.ndarray],
    modules: frozenset[ModuleName],
    on_block: Callable[[Block, Tensor], None] = lambda block, forecast: None,
) -> Forecasts:
    """Forecast the days of some blocks; call ``on_block`` with each block and forecast."""
    was_training = network.training
    network.eval()
    n_stocks = reader.panel.row_of.shape[1]
    days, quantiles, targets = [], [], []
    for block_days in blocks:
        block = reader.read(block_days)
        is_day = block.day >= 0
        days.append(block.day[is_day])
        forecast = network(block, modules)
        on_block(block, forecast)
        forecast = forecast.where(block.is_forecast[..., None, None], torch.nan)
        quantiles.append(_spread_stocks(forecast, block.stock, n_stocks)[is_day])
        targets.append(_spread_stocks(block.targets, block.stock, n_stocks)[is_day])
    network.train(was_training)
    return Forecasts(torch.cat(days), torch.cat(quantiles), torch.cat(targets))


def _spread_stocks(values: Tensor, stock: Tensor, n_stocks: int) -> Tensor:
    """Move the stocks of a block (day, stock, …) to their index in the panel; drop index −1."""
    spread = torch.full((len(values), n_stocks + 1, *values.shape[2:]), torch.nan, device=values.device)
    spread[:, stock] = values.float()
    return spread[:, :n_stocks]


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, and the modules that were switched on at its best epoch."""

    network: Atft
    modules: frozenset[ModuleName]


def load_members(folder: Path, training_data: TrainingData) -> list[TrainedNetwork]:
    """Load the best weights of a run's networks, in order of seed, onto the data's device."""
    manifest = read_manifest(folder)
    params = parse_model(manifest["network"], NetworkParams, folder / MANIFEST)
    training = parse_model(manifest["training"], TrainingParams, folder / MANIFEST)
    panel, graphs = choose_horizons(training_data.panel, params.horizons), training_data.graphs
    members = []
    for seed in training.all_seeds:
        network = Atft(params, len(panel.metadata.features), panel.metadata.horizons, graphs.edges.shape[-1])
        identity = make_identity(training_data, params, training.model_copy(update={"seed": seed}))
        path = folder / training.member_folder(seed) / BEST
        checkpoint = read_checkpoint(path, identity)
        require_same_structure(path, checkpoint, {"best": network.state_dict()})
        if "best_modules" not in checkpoint.get("progress", {}):
            raise make_version_error(path, ["progress.best_modules"])
        network.load_state_dict(checkpoint["best"])
        modules: frozenset[ModuleName] = frozenset(checkpoint["progress"]["best_modules"])
        members.append(TrainedNetwork(network.eval().to(panel.row_of.device), modules))
    return members


def forecast_ensemble(members: Sequence[TrainedNetwork], training_data: TrainingData, split: SplitName) -> Forecasts:
    """Forecast the days of a split by the mean of all networks."""
    return mean_forecasts(forecast_members(members, training_data, split))


def forecast_members(
    members: Sequence[TrainedNetwork], training_data: TrainingData, split: SplitName
) -> list[Forecasts]:
    """Forecast the days of a split by each network."""
    network = members[0].network
    data = replace(training_data, panel=choose_horizons(training_data.panel, network.horizons))
    loader = data.loader(split, network.params.lookback)
    return forecast_blocks(members, loader.reader, list(loader.sampler.chronological()))


def forecast_blocks(
    members: Sequence[TrainedNetwork], reader: BlockReader, blocks: Sequence[np.ndarray]
) -> list[Forecasts]:
    """Forecast the days of some blocks by each network."""
    return [forecast_days(member.network, reader, blocks, member.modules).cpu() for member in members]


def mean_forecasts(forecasts: Sequence[Forecasts]) -> Forecasts:
    """Average several forecasts of the same days."""
    quantiles = torch.stack([forecast.quantiles for forecast in forecasts]).mean(0)
    return replace(forecasts[0], quantiles=quantiles)


@dataclass(frozen=True)
class Scoring:
    """Horizon weights, trading cost and loss function of the scores."""

    weights: Sequence[float]  # for each horizon
    cost: float  # per unit of traded weight
    loss: Callable[[Block, Tensor], Tensor]  # (2, horizon): the loss summed over days, and the number of days


def make_plain_scoring(n_horizons: int) -> Scoring:
    """Create a scoring with equal weights, no costs and no loss."""
    return Scoring([1.0] * n_horizons, 0.0, lambda block, forecast: torch.zeros(2, n_horizons, device=forecast.device))


def score_days(
    network: Atft,
    reader: BlockReader,
    blocks: Iterable[np.ndarray],
    modules: frozenset[ModuleName],
    scoring: Scoring,
    group: TrainingProcesses,
) -> dict[str, float]:
    """Score the days of all processes by every metric, per horizon and on average.

    The rank IC of a horizon of h days has a standard error that counts every h-th day as independent.
    """
    losses = torch.zeros(2, len(network.horizons), dtype=torch.float64, device=reader.panel.row_of.device)

    def add_loss(block: Block, forecast: Tensor) -> None:
        """Add the loss of a block."""
        losses.add_(scoring.loss(block, forecast))

    with torch.random.fork_rng(devices=[]):  # the loss rank_net draws random pairs; they must not change the training
        torch.default_generator.manual_seed(0)
        forecasts = forecast_days(network, reader, blocks, modules, add_loss)
    group.all_reduce([losses])
    point, actual = _gather_days(forecasts.day, [network.point_forecast(forecasts.quantiles), forecasts.targets], group)
    point, actual = point.transpose(1, 2), actual.transpose(1, 2)  # (day, horizon, stock)
    daily = _compute_daily_metrics(point, actual)
    means = {name: values.nanmean(0) for name, values in daily.items()}
    sharpe_ratios = [
        metrics.net_sharpe(point[:, index], actual[:, index], horizon, scoring.cost)
        for index, horizon in enumerate(network.horizons)
    ]
    means |= {"net_sharpe": torch.stack(sharpe_ratios), "loss": losses[0] / losses[1]}
    scores = _average_horizons(means, network.horizons, scoring.weights)
    scores |= _compute_rank_ic_errors(daily["rank_ic"], network.horizons)
    return group.broadcast(scores)  # the same bits in all processes, because scores decide when a phase ends


def _compute_daily_metrics(point: Tensor, actual: Tensor) -> dict[str, Tensor]:
    """Compute the daily metrics (day, horizon)."""
    deviation = metrics.deviation(actual, actual.isfinite()).unsqueeze(-1)
    return {
        "rank_ic": metrics.daily_rank_ic(point, actual),
        "ic": metrics.daily_ic(point, actual),
        "hit_rate": metrics.daily_hit_rate(point, actual),
        "scale": metrics.daily_scale(point, actual / deviation),  # labels have a standard deviation of one
    }


def _average_horizons(
    means: Mapping[str, Tensor], horizons: Sequence[int], weights: Sequence[float]
) -> dict[str, float]:
    """List the mean of each horizon, and the average of the horizons with a defined mean."""
    scores: dict[str, float] = {}
    for name, mean in means.items():
        weight = torch.tensor(weights, dtype=torch.float64, device=mean.device)
        known = mean.isfinite()
        scores |= {f"{name}_{horizon}d": value for horizon, value in zip(horizons, mean.tolist(), strict=True)}
        scores[name] = float((mean * weight)[known].sum() / weight[known].sum())
    return scores


def _gather_days(day: Tensor, tensors: list[Tensor], group: TrainingProcesses) -> list[Tensor]:
    """Gather tensors (day, …) of all processes, in chronological order."""
    if group.size == 1:
        return tensors
    all_days = group.all_gather(day.tolist())  # one list per process
    days = torch.tensor(sorted(index for indices in all_days for index in indices), device=day.device)
    index = torch.searchsorted(days, day)
    gathered = [values.new_zeros(len(days), *values.shape[1:]).index_copy(0, index, values) for values in tensors]
    group.all_reduce(gathered)
    return gathered


def _compute_rank_ic_errors(rank_ic: Tensor, horizons: Sequence[int]) -> dict[str, float]:
    """Compute the standard error of each horizon's mean rank IC (day, horizon)."""
    total, n_days, squares = (
        rank_ic.nansum(0).double(),
        rank_ic.isfinite().sum(0).double(),
        rank_ic.square().nansum(0).double(),
    )
    variance = ((squares - total.square() / n_days) / (n_days - 1)).clamp(min=0)  # NaN for one day
    overlap = torch.tensor(horizons, dtype=torch.float64, device=rank_ic.device)
    errors = (variance * overlap / n_days).sqrt()
    return {f"se_rank_ic_{horizon}d": float(error) for horizon, error in zip(horizons, errors, strict=True)}
