"""Profile training steps: the time of each section and each operation."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch._inductor import config as inductor
from torch.autograd.profiler_util import EventList
from torch.profiler import ProfilerActivity, profile, record_function

from ...network.params import ModuleName, NetworkParams
from ...panel.blocks import Block
from ...params import InputError
from ...training.data import TrainingData, choose_days_per_block, choose_horizons, count_stocks_per_day
from ...training.distributed import TrainingProcesses
from ...training.engine import Trainer
from ...training.hardware import choose_device, keep_freed_memory
from ...training.params import TrainingParams
from ...training.phases import PhaseParams
from ...training.run import make_trainer
from ...training.telemetry import Stopwatch

WARM_UP_STEPS = 3  # the first compiles, and all allocate memory that is used again later
STEP, READING, FORWARD = "step", "reading", "forward"  # events that this module adds to the profile
BACKWARD, OPTIMIZER = "autograd::engine::evaluate_function", "Optimizer."  # names of torch's events start so
SECTIONS = {READING: "reading the block", FORWARD: "forward", BACKWARD: "backward", OPTIMIZER: "optimizer"}
MARKS = (STEP, *SECTIONS, "PyTorch Profiler")  # names of events that enclose operations
REST = "losses, clipping and the rest"


@dataclass(frozen=True)
class Operation:
    """All calls of one operation."""

    name: str
    calls: float  # per step
    seconds: float  # per step, without the operations that it calls
    share: float  # of the time of all operations


@dataclass(frozen=True)
class StepProfile:
    """The time of a training step, by section and by operation."""

    steps: int
    seconds: float  # per step, without the profiler
    profiled_seconds: float  # per step, with the profiler
    sections: dict[str, float]  # seconds per step
    operations: tuple[Operation, ...]  # the most expensive first


class MarkedStopwatch(Stopwatch):
    """A stopwatch that also marks the reading of blocks in the profile."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time and mark the enclosed code."""
        with record_function(READING), super().running():
            yield


@dataclass(frozen=True)
class ProfiledTraining:
    """A trainer in one phase, after the warm-up steps."""

    trainer: Trainer
    phase: PhaseParams
    step_blocks: list[list[np.ndarray]]  # the blocks of each step

    @classmethod
    def start(
        cls, training_data: TrainingData, network: NetworkParams, training: TrainingParams, phase: PhaseParams
    ) -> Self:
        """Create a run's trainer, mark the sections of its step, and run the warm-up steps."""
        keep_freed_memory()
        inductor.cpp.enable_kernel_profile = training.compile  # compiled kernels appear by name
        panel = choose_horizons(training_data.panel, network.horizons)
        on_device = replace(training_data, panel=panel).to(choose_device(training.device))
        training = choose_days_per_block(training, count_stocks_per_day(panel))
        trainer = make_trainer(on_device, network, training, TrainingProcesses())
        loader, size = trainer.loaders[training.curriculum.index(phase)], training.accumulate
        blocks = list(loader.sampler.epoch(0))
        train_step, run_network = trainer.train_step, trainer.train_step.run_network

        def _run_marked_network(block: Block, modules: frozenset[ModuleName]) -> Tensor:
            with record_function(FORWARD):
                return run_network(block, modules)

        train_step.read_stopwatch, train_step.run_network = MarkedStopwatch(train_step.device), _run_marked_network
        for name, child in trainer.network.named_children():
            child.requires_grad_(name not in phase.freeze)
        started = cls(trainer, phase, [blocks[start : start + size] for start in range(0, len(blocks), size)])
        started.run_steps(WARM_UP_STEPS)
        return started

    @property
    def is_on_gpu(self) -> bool:
        """Whether the training runs on a GPU."""
        return self.trainer.train_step.device.type == "cuda"

    def run_steps(self, steps: int) -> float:
        """Run some steps and return their median time in seconds."""
        times = []
        for step in range(steps):
            started = time.perf_counter()
            with record_function(STEP):
                blocks = self.step_blocks[step % len(self.step_blocks)]
                self.trainer.train_step.run(blocks, self.phase, self.phase.learning_rate)
            if self.is_on_gpu:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        return float(np.median(times))

    def run_profiler(self, steps: int, *, with_lines: bool) -> tuple[profile, float]:
        """Run some steps under the profiler, and return it with their median time."""
        gpu = [ProfilerActivity.CUDA] if self.is_on_gpu else []
        profiler = profile(activities=[ProfilerActivity.CPU, *gpu], with_stack=with_lines)
        with _hide_stderr():
            profiler.start()
        seconds = self.run_steps(steps)
        with _hide_stderr():
            profiler.stop()
        return profiler, seconds


@contextmanager
def _hide_stderr() -> Iterator[None]:
    """Discard the messages of the profiler's C++ library."""
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


def choose_phase(training: TrainingParams, name: str | None) -> PhaseParams:
    """Return the phase of a name; without a name, the phase with the most epochs."""
    if name is None:
        return max(training.curriculum, key=lambda phase: phase.epochs)
    for phase in training.curriculum:
        if phase.name == name:
            return phase
    names = ", ".join(phase.name for phase in training.curriculum)
    raise InputError(f"Unknown phase {name!r}; the phases are {names}.")


def profile_steps(training: ProfiledTraining, steps: int, trace: Path) -> StepProfile:
    """Run steps without and with the profiler, write the trace, and sum up the times."""
    seconds = training.run_steps(steps)
    profiler, profiled_seconds = training.run_profiler(steps, with_lines=False)
    profiler.export_chrome_trace(str(trace))
    events = profiler.events()  # type: ignore[no-untyped-call]
    sections = split_step(events, steps, training.is_on_gpu)
    operations = rank_operations(events, steps, training.is_on_gpu)
    return StepProfile(steps, seconds, profiled_seconds, sections, operations)


def split_step(events: EventList, steps: int, is_gpu: bool) -> dict[str, float]:
    """Return the seconds of each section of a step, and of the rest."""
    sections = dict.fromkeys(SECTIONS.values(), 0.0)
    total = 0.0
    for event in events:
        seconds = float(event.device_time_total if is_gpu else event.cpu_time_total) / 1e6 / steps
        if event.name == STEP:
            total += seconds
        if mark := next((mark for mark in SECTIONS if event.name.startswith(mark)), None):
            sections[SECTIONS[mark]] += seconds
    return sections | {REST: max(total - sum(sections.values()), 0.0)}


def rank_operations(events: EventList, steps: int, is_gpu: bool) -> tuple[Operation, ...]:
    """Sum up the own time of each operation; the most expensive is first."""
    averages = events.key_averages()  # type: ignore[no-untyped-call]
    entries = [entry for entry in averages if not entry.key.startswith(MARKS)]
    own = {
        entry.key: (entry.self_device_time_total if is_gpu else entry.self_cpu_time_total) / 1e6 for entry in entries
    }
    total = sum(own.values())
    entries.sort(key=lambda entry: own[entry.key], reverse=True)
    return tuple(
        Operation(entry.key, entry.count / steps, own[entry.key] / steps, own[entry.key] / total) for entry in entries
    )
