"""The device, memory allocator and threads of a training."""

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import NamedTuple

import numpy as np
import torch

from ..params import InputError
from .engine import Trainer

CPU = torch.device("cpu")


def choose_device(wanted: str) -> torch.device:
    """Choose the GPU where there is one; refuse where one was asked for and there is none."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("training.device is cuda, and torch finds no GPU here.")
    if wanted == "cpu" or not torch.cuda.is_available():
        return CPU
    return torch.device("cuda", torch.cuda.current_device())


MMAP_MAX, TRIM_THRESHOLD = -4, -1  # of glibc's mallopt
NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the C library keep what is freed, for each step asks for the same sizes again.

    Otherwise the system maps and zeroes every large tensor anew, a tenth to a fifth of a step on a CPU. Says whether
    this library can.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # not glibc
        return False
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, NEVER))


FIXED_BY = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # OpenMP and MKL read them, and torch with them
GAIN = 1.1  # more threads are used if a step is at least so many times as fast, because they slow other processes
STEPS, SECONDS = 5, 0.5  # limits of the measured steps for each count, after one warm-up step
ABORT_RATIO = 3  # times as long as the fastest: after such a step a count of threads is measured no more


class ThreadChoice(NamedTuple):
    """How many threads compute, and why so many."""

    threads: int
    reason: str


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Compute with ``count`` threads; restore the previous count on exit."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_threads(stored: int, asked: int | None) -> ThreadChoice:
    """Keep the threads that a resumed run began with, because another count changes the last bits."""
    unused = "" if asked in {None, stored} else "; training.threads is not used"
    return ThreadChoice(stored, f"as when the run began{unused}")


def choose_threads(trainer: Trainer) -> ThreadChoice:
    """Choose how many threads a new training computes with; the trainer's weights change.

    ``training.threads`` or the environment may fix the count, ``torchrun`` does, and on a GPU it hardly matters.
    Elsewhere steps are measured with 1, 2, 4, … threads until more are not clearly faster: how fast they are depends
    on the network, and on what else the processor is doing.
    """
    wanted, most = trainer.params.threads, torch.get_num_threads()
    if wanted is not None:
        return ThreadChoice(wanted, "as training.threads asks")
    is_fixed = any(name in os.environ for name in FIXED_BY)  # noqa: TID251  (not this project's)
    if is_fixed or trainer.group.size > 1 or trainer.train_step.device.type != "cpu":
        return ThreadChoice(most, "as the environment, torchrun or a GPU decides")
    if trainer.params.deterministic:
        # Another count changes the last bits, and the measured best count differs from time to time.
        return ThreadChoice(1, "because the training is deterministic")
    trainer.train_step.forecast = trainer.network  # compilation takes longer than all measurements
    chosen, fastest = 1, measure_step(trainer, 1)
    measured = [f"1: {1000 * fastest:.0f} ms"]
    while chosen < most:
        more = min(2 * chosen, most)
        seconds = measure_step(trainer, more, ABORT_RATIO * fastest)
        measured.append(f"{more}: {1000 * seconds:.0f} ms")
        if seconds * GAIN > fastest:
            break
        chosen, fastest = more, seconds
    return ThreadChoice(chosen, f"of {most}, by the time of a step: {', '.join(measured)}")


def measure_step(trainer: Trainer, threads: int, longest: float = inf) -> float:
    """Measure training steps with ``threads`` threads; return the median of their seconds.

    Stop after a step that takes longer than ``longest``.
    """
    phase = max(trainer.params.curriculum, key=lambda phase: phase.epochs)
    trainer.network.train()
    durations: list[float] = []
    with using_threads(threads):
        for block in list(trainer.train.sampler.epoch(0))[: 1 + STEPS]:
            started = time.perf_counter()
            trainer.train_step.learn([block], phase, phase.learning_rate)
            durations.append(time.perf_counter() - started)
            if durations[-1] > longest or (len(durations) > 1 and sum(durations) > SECONDS):
                break
    return float(np.median(durations[1:] or durations))
