"""Measure how fast blocks are read from a panel, compared with a plain copy of as many bytes."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

from ..panel.blocks import BlockReader, PanelGraphs
from ..panel.store import Panel

SEED = 7


class ReadTime(NamedTuple):
    """The time of one operation, and the gigabytes of features that it copies per second."""

    operation: str
    seconds: float
    gb_per_second: float | None = None


def time_reading(panel: Panel, graphs: PanelGraphs, lookback: int, days: int, blocks: int) -> list[ReadTime]:
    """Measure reading random blocks, gathering only features, and copying as many bytes."""
    reader = BlockReader(panel, graphs, lookback, min(days, len(panel.days)))
    starts = np.random.default_rng(SEED).integers(0, len(panel.days) - reader.days + 1, blocks)
    block_days = [np.arange(start, start + reader.days) for start in starts.tolist()]
    # This also loads the blocks from disk into memory, so that the measured times include no disk reads.
    rows = [reader.read(days).rows.clamp(min=0).flatten() for days in block_days]
    buffer = torch.empty((rows[0].numel(), panel.features.shape[1]), dtype=panel.features.dtype)
    source = torch.ones_like(buffer)
    shape = f"{reader.stocks} stocks x {reader.steps} steps x {panel.features.shape[1]} features"
    operations: dict[str, list[Callable[[], object]]] = {
        f"gather, {shape}": [partial(torch.index_select, panel.features, 0, row, out=buffer) for row in rows],
        "plain copy of as many bytes": [partial(buffer.copy_, source)] * blocks,
        "gather into new memory": [partial(panel.features.index_select, 0, row) for row in rows],
        "plain copy into new memory": [source.clone] * blocks,
        "a whole block: features, targets, graphs": [partial(reader.read, days) for days in block_days],
    }
    seconds = {name: _measure_median(actions) for name, actions in operations.items()}
    return [ReadTime(name, elapsed, buffer.nbytes / elapsed / 1e9) for name, elapsed in seconds.items()]


def _measure_median(actions: list[Callable[[], object]]) -> float:
    """Return the median time of the actions, after one extra call of the first one to warm up."""
    actions[0]()
    return median(_measure_seconds(action) for action in actions)


def time_once(operation: str, action: Callable[[], object]) -> ReadTime:
    """Time one action."""
    return ReadTime(operation, _measure_seconds(action))


def _measure_seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
