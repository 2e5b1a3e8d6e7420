"""Where a training step's time goes: operation by operation, line by line, and what watching it costs."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch._inductor import config as inductor
from torch.autograd.profiler_util import EventList, FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from ...network.params import NetworkParams
from ...params import InputError
from ...training.data import TrainingData, choose_days_per_block, choose_horizons, count_stocks_per_day
from ...training.distributed import ProcessGroup
from ...training.engine import Trainer
from ...training.hardware import choose_device, keep_freed_memory
from ...training.params import TrainingParams
from ...training.phases import PhaseParams
from ...training.run import make_trainer
from ...training.telemetry import Stopwatch

WARM_UP = 3  # steps; the first compiles, and all ask for the memory that they then keep
STEP, READING, FORWARD = "step", "reading", "forward"
BACKWARD, OPTIMIZER = "autograd::engine::evaluate_function", "Optimizer."
PARTS = {READING: "reading the block", FORWARD: "forward", BACKWARD: "backward", OPTIMIZER: "optimizer"}
MARKS = (STEP, *PARTS, "PyTorch Profiler")
REST = "losses, clipping and the rest"


@dataclass(frozen=True)
class Operation:
    """One kind of operation, all of its calls in a step together."""

    name: str
    calls: float  # in a step
    seconds: float  # in a step, without what it calls
    share: float  # of all operations


@dataclass(frozen=True)
class Profile:
    """What some steps took, and who took it."""

    steps: int
    seconds: float  # of a step that nobody watches
    watched: float  # of a step that is watched
    parts: dict[str, float]  # seconds of a step
    operations: tuple[Operation, ...]  # the most expensive first


class Marked(Stopwatch):
    """Leaves a mark in the profile where a block is read."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time what is done inside, and mark it."""
        with record_function(READING), super().running():
            yield


@dataclass(frozen=True)
class Rehearsal:
    """A trainer that is warm, in one phase of its training."""

    trainer: Trainer
    phase: PhaseParams
    groups: list[list[np.ndarray]]  # the blocks of each step

    @classmethod
    def begin(
        cls, training_data: TrainingData, network: NetworkParams, training: TrainingParams, phase: PhaseParams
    ) -> Self:
        """Make a trainer as a training does, mark the parts of its step, and warm it up."""
        keep_freed_memory()
        inductor.cpp.enable_kernel_profile = training.compile  # compiled loops are told of by their names
        panel = choose_horizons(training_data.panel, network.horizons)
        moved = replace(training_data, panel=panel).to(choose_device(training.device))
        training = choose_days_per_block(training, count_stocks_per_day(panel))
        trainer = make_trainer(moved, network, training, ProcessGroup())
        loader, size = trainer.loaders[training.curriculum.index(phase)], training.accumulate
        blocks = list(loader.sampler.epoch(0))
        train_step, forecast = trainer.train_step, trainer.train_step.forecast
        train_step.reading = Marked(train_step.device)
        train_step.forecast = lambda block, modules: _mark(FORWARD, lambda: forecast(block, modules))
        for name, child in trainer.network.named_children():
            child.requires_grad_(name not in phase.freeze)
        begun = cls(trainer, phase, [blocks[start : start + size] for start in range(0, len(blocks), size)])
        begun.take(WARM_UP)
        return begun

    @property
    def is_on_gpu(self) -> bool:
        """Say where it trains."""
        return self.trainer.train_step.device.type == "cuda"

    def take(self, steps: int) -> float:
        """Take some steps, and say how long one took: their median."""
        took = []
        for step in range(steps):
            started = time.perf_counter()
            with record_function(STEP):
                self.trainer.train_step.run(self.groups[step % len(self.groups)], self.phase, self.phase.learning_rate)
            if self.is_on_gpu:
                torch.cuda.synchronize()
            took.append(time.perf_counter() - started)
        return float(np.median(took))

    def watch(self, steps: int, *, lines: bool) -> tuple[profile, float]:
        """Take some steps under the profiler, which may note every line too, and say how long one took."""
        gpu = [ProfilerActivity.CUDA] if self.is_on_gpu else []
        watching = profile(activities=[ProfilerActivity.CPU, *gpu], with_stack=lines)
        with _in_silence():
            watching.start()
        seconds = self.take(steps)
        with _in_silence():
            watching.stop()
        return watching, seconds


@contextmanager
def _in_silence() -> Iterator[None]:
    """Let nobody hear what the profiler's library says whenever it begins and ends."""
    heard, nobody = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, 2)
    try:
        yield
    finally:
        os.dup2(heard, 2)
        os.close(heard)
        os.close(nobody)


def choose_phase(training: TrainingParams, name: str | None) -> PhaseParams:
    """Find a phase by its name, or the one that most epochs are spent in."""
    if name is None:
        return max(training.curriculum, key=lambda phase: phase.epochs)
    for phase in training.curriculum:
        if phase.name == name:
            return phase
    known = ", ".join(phase.name for phase in training.curriculum)
    raise InputError(f"There is no phase {name!r}; there are {known}.")


def profile_steps(rehearsal: Rehearsal, steps: int, trace: Path) -> Profile:
    """Take steps unwatched and watched, write the trace, and sum up who took the time."""
    seconds = rehearsal.take(steps)
    watching, watched = rehearsal.watch(steps, lines=False)
    watching.export_chrome_trace(str(trace))
    events = watching.events()  # type: ignore[no-untyped-call]
    took = _device_seconds if rehearsal.is_on_gpu else _processor_seconds
    parts = split_step(events, steps, took)
    return Profile(steps, seconds, watched, parts, rank_operations(events, steps, is_gpu=rehearsal.is_on_gpu))


def split_step(events: EventList, steps: int, took: Callable[[FunctionEvent], float]) -> dict[str, float]:
    """Split a step's time into its parts; what is in none of them is the rest."""
    parts = dict.fromkeys(PARTS.values(), 0.0)
    whole = 0.0
    for event in events:
        if event.name == STEP:
            whole += took(event) / steps
        kind = _kind_of(event)
        if kind is not None:
            parts[PARTS[kind]] += took(event) / steps
    return parts | {REST: max(whole - sum(parts.values()), 0.0)}


def rank_operations(events: EventList, steps: int, *, is_gpu: bool) -> tuple[Operation, ...]:
    """Sum each operation's own time, the most expensive first."""
    averages = events.key_averages()  # type: ignore[no-untyped-call]
    found = [each for each in averages if not each.key.startswith(MARKS)]
    own = {each.key: (each.self_device_time_total if is_gpu else each.self_cpu_time_total) / 1e6 for each in found}
    whole = sum(own.values())
    ranked = sorted(found, key=lambda each: own[each.key], reverse=True)
    return tuple(
        Operation(each.key, each.count / steps, own[each.key] / steps, own[each.key] / whole) for each in ranked
    )


def _mark(name: str, do: Callable[[], Tensor]) -> Tensor:
    with record_function(name):
        return do()


def _kind_of(event: FunctionEvent) -> str | None:
    """Say which part of a step an event begins."""
    return next((kind for kind in PARTS if event.name.startswith(kind)), None)


def _processor_seconds(event: FunctionEvent) -> float:
    return float(event.cpu_time_total) / 1e6


def _device_seconds(event: FunctionEvent) -> float:
    return float(event.device_time_total) / 1e6
