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
MMAP_MAX, TRIM_THRESHOLD = -4, -1  # options of glibc's mallopt
UNLIMITED = 2**31 - 1  # bytes: freed memory is never returned to the system
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # read by OpenMP, MKL and torch
MIN_SPEEDUP = 1.1  # more threads must be this much faster, because they slow other processes
MAX_STEPS, MAX_SECONDS = 5, 0.5  # of a measurement of one number of threads, after one warm-up step
ABORT_RATIO = 3  # a step that takes this many times the fastest ends the measurement


def choose_device(wanted: str) -> torch.device:
    """Choose the device for ``training.device``: ``auto`` is the GPU if there is one."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("training.device is cuda, but torch finds no GPU.")
    if wanted == "cpu" or not torch.cuda.is_available():
        return CPU
    return torch.device("cuda", torch.cuda.current_device())


def keep_freed_memory() -> bool:
    """Let the C library keep freed memory, because every step allocates the same sizes.

    Otherwise the system maps and zeroes the memory of large tensors in every step, which takes 10 to 20 % of a step on
    a CPU. Returns False if the C library is not glibc.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # not glibc
        return False
    return bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, UNLIMITED))


class ThreadChoice(NamedTuple):
    """Number of threads, and the reason."""

    threads: int
    reason: str


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Set the number of threads; restore the previous number on exit."""
    previous = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(previous)


def keep_threads(stored: int, wanted: int | None) -> ThreadChoice:
    """Keep the number of threads of a resumed run, because another number changes the last bits."""
    unused = "" if wanted in {None, stored} else "; training.threads is not used"
    return ThreadChoice(stored, f"as when the run began{unused}")


def choose_threads(trainer: Trainer) -> ThreadChoice:
    """Choose the number of threads; measured steps change the trainer's weights.

    If neither ``training.threads``, the environment, ``torchrun``, a GPU nor ``training.deterministic`` decides, steps
    are measured with 1, 2, 4, … threads until more are not clearly faster: the best number depends on the network and
    on other processes.
    """
    wanted, most = trainer.params.threads, torch.get_num_threads()
    if wanted is not None:
        return ThreadChoice(wanted, "as training.threads sets")
    is_fixed = any(name in os.environ for name in THREAD_VARIABLES)  # noqa: TID251  (not this project's)
    if is_fixed or trainer.group.size > 1 or trainer.train_step.device.type != "cpu":
        return ThreadChoice(most, "as the environment, torchrun or a GPU decides")
    if trainer.params.deterministic:
        # Another number changes the last bits, and the measured best number differs from time to time.
        return ThreadChoice(1, "because the training is deterministic")
    trainer.train_step.run_network = trainer.network  # compilation takes longer than all measurements
    chosen, fastest = 1, measure_step(trainer, 1)
    measured = [f"1: {1000 * fastest:.0f} ms"]
    while chosen < most:
        more = min(2 * chosen, most)
        seconds = measure_step(trainer, more, ABORT_RATIO * fastest)
        measured.append(f"{more}: {1000 * seconds:.0f} ms")
        if seconds * MIN_SPEEDUP > fastest:
            break
        chosen, fastest = more, seconds
    return ThreadChoice(chosen, f"of {most}, by the time of a step: {', '.join(measured)}")


def measure_step(trainer: Trainer, threads: int, longest: float = inf) -> float:
    """Measure the median seconds of training steps.

    A step that takes longer than ``longest`` ends the measurement.
    """
    phase = max(trainer.params.curriculum, key=lambda phase: phase.epochs)
    trainer.network.train()
    durations: list[float] = []
    with using_threads(threads):
        for block in list(trainer.train.sampler.epoch(0))[: 1 + MAX_STEPS]:
            started = time.perf_counter()
            trainer.train_step.run([block], phase, phase.learning_rate)
            durations.append(time.perf_counter() - started)
            if durations[-1] > longest or (len(durations) > 1 and sum(durations) > MAX_SECONDS):
                break
    return float(np.median(durations[1:] or durations))
