"""The data of a training: panel, graphs and split, and loaders of the days of a split."""

import hashlib
import logging
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch

from ..metrics import MIN_STOCKS
from ..panel.blocks import BlockReader, DailyGraphs, known_until, split_segments
from ..panel.sampler import BlockSampler
from ..panel.split import Split, SplitName
from ..panel.store import Panel
from ..params import InputError, Params
from .distributed import ProcessGroup
from .params import TrainingParams


@dataclass(frozen=True)
class DayLoader:
    """Some days, how their blocks are cut, and who reads them."""

    reader: BlockReader
    sampler: BlockSampler

    @property
    def days(self) -> np.ndarray:
        """List the days, as places in the panel."""
        return np.concatenate(self.sampler.segments)

    def keep_last_days(self, most: int) -> Self:
        """Leave the last days only."""
        first = self.days[-most:][0]
        kept = [days[days >= first] for days in self.sampler.segments]
        return replace(self, sampler=replace(self.sampler, segments=[days for days in kept if len(days)]))


@dataclass(frozen=True)
class TrainingData:
    """What a network is trained on."""

    panel: Panel
    graphs: DailyGraphs
    split: Split
    graphs_recipe: Params | None = None  # for the manifest: how the graphs were made, where that is known

    @cached_property
    def digest(self) -> str:
        """Hash the graphs and the split."""
        made = hashlib.sha256(self.split.model_dump_json().encode())
        for tensor in (self.graphs.neighbours, self.graphs.edges, self.graphs.graph_of):
            made.update(tensor.cpu().contiguous().numpy().tobytes())
        return made.hexdigest()[:16]

    def to(self, device: torch.device) -> Self:
        """Copy all that a step reads to a device."""
        return replace(self, panel=self.panel.to(device), graphs=self.graphs.to(device))

    def loader(self, part: SplitName, lookback: int, training: TrainingParams, ranks: ProcessGroup) -> DayLoader:
        """Read the days of a part, labels keep_last_days where the next part begins."""
        until = known_until(self.panel, self.split.ranges_of(part))
        reader = BlockReader(self.panel, self.graphs, lookback, training.days_per_block, until)
        segments = split_segments(self.panel, self.split, part)
        if not segments:
            raise InputError(f"No stock is in the universe on any {part} day.")
        most = int(self.panel.eligible[torch.from_numpy(np.concatenate(segments))].sum(1).max())
        if most < MIN_STOCKS:
            raise InputError(f"No {part} day has {MIN_STOCKS} stocks, at most {most}: there is nothing to compare.")
        sampler = BlockSampler(segments, training.days_per_block, training.seed, ranks.rank, ranks.count)
        return DayLoader(reader, sampler)


def choose_horizons(panel: Panel, horizons: tuple[int, ...] | None) -> Panel:
    """Keep the targets of some horizons."""
    if horizons is None:
        return panel
    missing = sorted(set(horizons) - set(panel.metadata.horizons))
    if missing:
        raise InputError(f"network.horizons: the dataset has no targets for {missing}, only {panel.metadata.horizons}.")
    places = [panel.metadata.horizons.index(horizon) for horizon in horizons]
    metadata = panel.metadata.model_copy(update={"horizons": horizons})
    return replace(panel, metadata=metadata, targets=panel.targets[:, places])


_logger = logging.getLogger(__name__)


def count_stocks_per_day(panel: Panel) -> float:
    """Count the stocks that are forecast on a mean day of those that have any."""
    stocks = panel.eligible.sum(1).double()
    return float(stocks[stocks > 0].mean())


def choose_days_per_block(training: TrainingParams, stocks_per_day: float) -> TrainingParams:
    """Turn ``samples_per_block`` into ``days_per_block``, and log the result.

    The returned parameters hold the days alone, so a run's manifest says what was trained.
    """
    samples = training.samples_per_block
    if samples is None:
        return training
    days = max(round(samples / stocks_per_day), 1)
    _logger.info("training.samples_per_block %d: blocks of %d days (%.0f stocks a day)", samples, days, stocks_per_day)
    return training.model_copy(update={"days_per_block": days, "samples_per_block": None})
