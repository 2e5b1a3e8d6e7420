"""The trained networks of a run, read back as they were best."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..files import parse_model, read_json
from ..network.atft import Atft
from ..network.sizes import NetworkParams, Part
from ..panel.blocks import BlockReader
from ..panel.split import Role
from .callbacks import BEST
from .distributed import Ranks
from .forecasting import Forecasts, forecast_days
from .params import TrainingParams
from .run import Material, choose_horizons, identify
from .runs import MANIFEST
from .state import read_checkpoint


@dataclass(frozen=True)
class Expert:
    """A trained network, and the parts that were switched on when it was best."""

    network: Atft
    parts: frozenset[Part]


def open_members(folder: Path, material: Material) -> list[Expert]:
    """Make a run's networks again, in the order of their seeds, for the panel and the graphs of their training.

    They lie on the material's device, and forecast there.
    """
    manifest = read_json(folder / MANIFEST)
    params = parse_model(manifest.get("network"), NetworkParams, folder / MANIFEST)
    training = parse_model(manifest.get("training"), TrainingParams, folder / MANIFEST)
    panel, graphs = choose_horizons(material.panel, params.horizons), material.graphs
    members = []
    for seed in training.all_seeds:
        network = Atft(params, len(panel.meaning.features), panel.meaning.horizons, graphs.edges.shape[-1])
        identity = identify(material, params, training.model_copy(update={"seed": seed}))
        tree = read_checkpoint(folder / training.place_of(seed) / BEST, identity)
        network.load_state_dict(tree["best"])
        members.append(Expert(network.eval().to(panel.row_of.device), frozenset(tree["progress"]["parts"])))
    return members


def forecast_together(experts: Sequence[Expert], material: Material, part: Role) -> Forecasts:
    """Forecast the days of a part by the mean of all networks."""
    return average(forecast_apart(experts, material, part))


def forecast_apart(experts: Sequence[Expert], material: Material, part: Role) -> list[Forecasts]:
    """Forecast the days of a part by each network."""
    network = experts[0].network
    mine = replace(material, panel=choose_horizons(material.panel, network.horizons))
    course = mine.course(part, network.params.lookback, TrainingParams(), Ranks())
    return _forecast(experts, course.reader, list(course.sampler.in_order()))


def average_forecasts(experts: Sequence[Expert], reader: BlockReader, days: Sequence[np.ndarray]) -> Forecasts:
    """Forecast the days of some blocks by the mean of all networks."""
    return average(_forecast(experts, reader, days))


def average(said: Sequence[Forecasts]) -> Forecasts:
    """Take the mean of several forecasts of the same."""
    return replace(said[0], quantiles=torch.stack([each.quantiles for each in said]).mean(0))


def _forecast(experts: Sequence[Expert], reader: BlockReader, days: Sequence[np.ndarray]) -> list[Forecasts]:
    return [forecast_days(each.network, reader, days, each.parts).cpu() for each in experts]
