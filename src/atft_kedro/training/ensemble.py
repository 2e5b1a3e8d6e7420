"""The trained networks of a run, read back as they were best."""

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
    """A trained network, and the modules that were switched on when it was best."""

    network: Atft
    modules: frozenset[ModuleName]


def load_members(folder: Path, training_data: TrainingData) -> list[TrainedNetwork]:
    """Make a run's networks again, in the order of their seeds, for the panel and the graphs of their training.

    They lie on the material's device, and forecast there.
    """
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
        members.append(TrainedNetwork(network.eval().to(panel.row_of.device), frozenset(tree["progress"]["modules"])))
    return members


def forecast_together(members: Sequence[TrainedNetwork], training_data: TrainingData, part: SplitName) -> Forecasts:
    """Forecast the days of a part by the mean of all networks."""
    return average(forecast_members(members, training_data, part))


def forecast_members(
    members: Sequence[TrainedNetwork], training_data: TrainingData, part: SplitName
) -> list[Forecasts]:
    """Forecast the days of a part by each network."""
    network = members[0].network
    mine = replace(training_data, panel=choose_horizons(training_data.panel, network.horizons))
    loader = mine.loader(part, network.params.lookback)
    return _forecast(members, loader.reader, list(loader.sampler.chronological()))


def average_forecasts(members: Sequence[TrainedNetwork], reader: BlockReader, days: Sequence[np.ndarray]) -> Forecasts:
    """Forecast the days of some blocks by the mean of all networks."""
    return average(_forecast(members, reader, days))


def average(said: Sequence[Forecasts]) -> Forecasts:
    """Take the mean of several forecasts of the same."""
    return replace(said[0], quantiles=torch.stack([each.quantiles for each in said]).mean(0))


def _forecast(members: Sequence[TrainedNetwork], reader: BlockReader, days: Sequence[np.ndarray]) -> list[Forecasts]:
    return [forecast_days(each.network, reader, days, each.modules).cpu() for each in members]
