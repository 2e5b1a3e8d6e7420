"""The data of a training: panel, graphs and split, and loaders of the days of a split."""

import hashlib
import logging
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch

from ..metrics import MIN_STOCKS
from ..panel.blocks import BlockReader, PanelGraphs, find_last_label_days, split_segments
from ..panel.sampler import BlockSampler
from ..panel.split import DateRange, Split, SplitName
from ..panel.store import Panel
from ..params import InputError, Params
from .distributed import TrainingProcesses
from .params import TrainingParams

DAYS_PER_BLOCK = 8  # in forecasts; it changes their speed and memory only

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DayLoader:
    """The days of a split: a sampler that cuts them into blocks, and a reader of blocks."""

    reader: BlockReader
    sampler: BlockSampler

    @property
    def days(self) -> np.ndarray:
        """List the days as indices of the panel."""
        return np.concatenate(self.sampler.segments)

    def keep_last_days(self, count: int) -> Self:
        """Drop all but the last ``count`` days."""
        first = self.days[-count:][0]
        segments = [days[days >= first] for days in self.sampler.segments]
        return replace(self, sampler=replace(self.sampler, segments=[days for days in segments if len(days)]))


@dataclass(frozen=True)
class TrainingData:
    """Panel, graphs and split: all that a network is trained on."""

    panel: Panel
    graphs: PanelGraphs
    split: Split
    graph_params: Params | None = None  # parameters of the graphs where they are known, for the manifest

    @cached_property
    def digest(self) -> str:
        """Hash the graphs and the split."""
        digest = hashlib.sha256(self.split.model_dump_json().encode())
        for tensor in (self.graphs.neighbours, self.graphs.edges, self.graphs.graph_of):
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def to(self, device: torch.device) -> Self:
        """Copy the tensors of the panel and the graphs to a device."""
        return replace(self, panel=self.panel.to(device), graphs=self.graphs.to(device))

    def train_on_all_days(self) -> Self:
        """Make every day a train day, from the first one to the newest day with a label."""
        metadata, days = self.panel.metadata, self.panel.days
        first = self.split.ranges_of("train")[0].first
        used = [dates.last for dates in self.split.date_ranges if dates.split != "unused"]
        last = min(used[-1], days[-1 - metadata.entry_lag - min(metadata.horizons)].item())
        count = int(((days >= np.datetime64(first)) & (days <= np.datetime64(last))).sum())
        dates = DateRange(split="train", first=first, last=last, days=count)
        return replace(self, split=Split(name=self.split.name, date_ranges=(dates,)))

    def loader(
        self,
        split: SplitName,
        lookback: int,
        days_per_block: int = DAYS_PER_BLOCK,
        seed: int = 0,
        group: TrainingProcesses | None = None,
    ) -> DayLoader:
        """Create a loader of the days of a split.

        Targets that end after the next split begins are unknown. ``seed`` decides the order of the blocks in training.
        """
        until = find_last_label_days(self.panel, self.split.ranges_of(split))
        reader = BlockReader(self.panel, self.graphs, lookback, days_per_block, until)
        segments = split_segments(self.panel, self.split, split)
        if not segments:
            raise InputError(f"No stock is in the universe on any {split} day.")
        max_stocks = int(self.panel.eligible[torch.from_numpy(np.concatenate(segments))].sum(1).max())
        if max_stocks < MIN_STOCKS:
            raise InputError(f"Each {split} day has at most {max_stocks} stocks; a correlation needs {MIN_STOCKS}.")
        group = group or TrainingProcesses()
        return DayLoader(reader, BlockSampler(segments, days_per_block, seed, group.rank, group.size))


def choose_horizons(panel: Panel, horizons: tuple[int, ...] | None) -> Panel:
    """Select the targets of some horizons; None selects all."""
    if horizons is None:
        return panel
    available = panel.metadata.horizons
    missing = sorted(set(horizons) - set(available))
    if missing:
        raise InputError(f"network.horizons: the dataset has no targets for {missing}, only {available}.")
    columns = [available.index(horizon) for horizon in horizons]
    metadata = panel.metadata.model_copy(update={"horizons": horizons})
    return replace(panel, metadata=metadata, targets=panel.targets[:, columns])


def count_stocks_per_day(panel: Panel) -> float:
    """Compute the mean number of eligible stocks of the days that have any."""
    stocks = panel.eligible.sum(1).double()
    return float(stocks[stocks > 0].mean())


def choose_days_per_block(training: TrainingParams, stocks_per_day: float) -> TrainingParams:
    """Replace ``samples_per_block`` by the days that contain so many samples, and log them.

    The returned parameters hold the days only, so a run's manifest states what was trained.
    """
    samples = training.samples_per_block
    if samples is None:
        return training
    days = max(round(samples / stocks_per_day), 1)
    _logger.info("training.samples_per_block %d: blocks of %d days (%.0f stocks a day)", samples, days, stocks_per_day)
    return training.model_copy(update={"days_per_block": days, "samples_per_block": None})
