"""How many of the processor's threads a training computes with."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import numpy as np
import torch

from .engine import Trainer

FIXED_BY = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # OpenMP and MKL read them, and torch with them
GAIN = 1.1  # more threads are taken where a step is so many times as fast: they keep others waiting
STEPS, SECONDS = 5, 0.5  # that are measured of each count at the most, after one that warms up
HOPELESS = 3  # times as long must a step be for its count of threads to be given up at once

_logger = logging.getLogger(__name__)


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Compute with so many threads, and with as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_threads(trainer: Trainer) -> int:
    """Choose how many threads a new training computes with; the trainer's weights change.

    ``training.threads`` or the environment may fix the count, ``torchrun`` does, and on a GPU it hardly matters.
    Elsewhere steps are measured with 1, 2, 4, … threads until more are not clearly faster: how fast they are depends
    on the network, and on what else the processor is doing.
    """
    wanted, most = trainer.params.threads, torch.get_num_threads()
    if wanted is not None:
        return wanted
    is_fixed = any(name in os.environ for name in FIXED_BY)  # noqa: TID251  (not this project's)
    if is_fixed or trainer.ranks.count > 1 or trainer.learner.device.type != "cpu":
        return most
    if trainer.params.deterministic:
        return 1  # another count would give other last bits, and which is measured to be best depends on the moment
    trainer.learner.forecast = trainer.network  # to compile it takes longer than all measuring
    chosen, fastest = 1, measure_step(trainer, 1)
    measured = [f"1: {1000 * fastest:.0f} ms"]
    while chosen < most:
        more = min(2 * chosen, most)
        seconds = measure_step(trainer, more, HOPELESS * fastest)
        measured.append(f"{more}: {1000 * seconds:.0f} ms")
        if seconds * GAIN > fastest:
            break
        chosen, fastest = more, seconds
    _logger.info("%d of %d threads, by the time of a step (%s)", chosen, most, ", ".join(measured))
    return chosen


def measure_step(trainer: Trainer, threads: int, longest: float = inf) -> float:
    """Take some steps with so many threads, and return the median of their seconds.

    After one that takes longer than ``longest`` there is no other.
    """
    phase = max(trainer.params.curriculum, key=lambda phase: phase.epochs)
    trainer.network.train()
    took: list[float] = []
    with using_threads(threads):
        for block in list(trainer.train.sampler.epoch(0))[: 1 + STEPS]:
            started = time.perf_counter()
            trainer.learner.learn([block], phase, phase.learning_rate)
            took.append(time.perf_counter() - started)
            if took[-1] > longest or (len(took) > 1 and sum(took) > SECONDS):
                break
    return float(np.median(took[1:] or took))
