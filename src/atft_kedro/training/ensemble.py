"""The trained networks of a run, and their forecasts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..files import parse_model, read_json
from ..network.atft import Atft
from ..network.params import ModuleName, NetworkParams
from ..panel.blocks import BlockReader
from ..panel.split import SplitName
from .callbacks import BEST
from .checkpoint import make_identity, read_checkpoint
from .data import TrainingData, choose_horizons
from .forecasting import Forecasts, forecast_days
from .params import TrainingParams
from .runs import MANIFEST


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, and the modules that were switched on at its best epoch."""

    network: Atft
    modules: frozenset[ModuleName]


def load_members(folder: Path, training_data: TrainingData) -> list[TrainedNetwork]:
    """Load the best weights of a run's networks, in order of seed, onto the data's device."""
    manifest = read_json(folder / MANIFEST)
    params = parse_model(manifest.get("network"), NetworkParams, folder / MANIFEST)
    training = parse_model(manifest.get("training"), TrainingParams, folder / MANIFEST)
    panel, graphs = choose_horizons(training_data.panel, params.horizons), training_data.graphs
    members = []
    for seed in training.all_seeds:
        network = Atft(params, len(panel.metadata.features), panel.metadata.horizons, graphs.edges.shape[-1])
        identity = make_identity(training_data, params, training.model_copy(update={"seed": seed}))
        tree = read_checkpoint(folder / training.member_folder(seed) / BEST, identity)
        network.load_state_dict(tree["best"])
        network = network.eval().to(panel.row_of.device)
        members.append(TrainedNetwork(network, frozenset(tree["progress"]["best_modules"])))
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
