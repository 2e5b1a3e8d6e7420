"""How fast the panel opens and blocks are read, next to a plain copy of the same bytes."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

from ..panel.blocks import BlockReader, DailyGraphs
from ..panel.store import Panel

SEED = 7


class Measure(NamedTuple):
    """One line of the bench: what was done, how long it took, and how many bytes a second that is."""

    what: str
    seconds: float
    gb_per_second: float | None = None


def time_reading(panel: Panel, graphs: DailyGraphs, lookback: int, days: int, blocks: int) -> list[Measure]:
    """Read random blocks whole; gather only their features; copy as many bytes from one place to another."""
    reader = BlockReader(panel, graphs, lookback, min(days, len(panel.days)))
    starts = np.random.default_rng(SEED).integers(0, len(panel.days) - reader.days + 1, blocks)
    asked = [np.arange(start, start + reader.days) for start in starts.tolist()]
    rows = [reader.read(day).rows.clamp(min=0).flatten() for day in asked]  # maps the pages, too
    size = rows[0].numel() * panel.features.shape[1]
    place = torch.empty((rows[0].numel(), panel.features.shape[1]), dtype=panel.features.dtype)
    source = torch.ones_like(place)
    gather = _time([partial(torch.index_select, panel.features, 0, row, out=place) for row in rows])
    copy = _time([partial(place.copy_, source)] * blocks)
    fresh_gather = _time([partial(panel.features.index_select, 0, row) for row in rows])
    fresh_copy = _time([source.clone] * blocks)
    whole = _time([partial(reader.read, day) for day in asked])
    shape = f"{reader.stocks} stocks x {reader.steps} steps x {panel.features.shape[1]} features"
    return [
        Measure(f"gather, {shape}", gather, 2 * size / gather / 1e9),
        Measure("plain copy of the same bytes", copy, 2 * size / copy / 1e9),
        Measure("gather into new memory", fresh_gather, 2 * size / fresh_gather / 1e9),
        Measure("plain copy into new memory", fresh_copy, 2 * size / fresh_copy / 1e9),
        Measure("a whole block: features, targets, graphs", whole, 2 * size / whole / 1e9),
    ]


def _time(actions: list[Callable[[], object]]) -> float:
    """Take the median time of some actions, after one to warm up."""
    actions[0]()
    seconds = []
    for action in actions:
        started = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def time_once(what: str, action: Callable[[], object]) -> Measure:
    """Time one action."""
    started = time.perf_counter()
    action()
    return Measure(what, time.perf_counter() - started)
