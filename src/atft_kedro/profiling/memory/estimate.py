"""Estimate the memory of a training, find a smaller one that fits, and compare an estimate with a run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Self

import numpy as np
import psutil
import torch

from ...cgroup import MemorySize, measure_free_memory
from ...files import parse_model
from ...graph.neighbours import GraphParams
from ...network.atft import Atft
from ...network.params import NetworkParams
from ...panel.blocks import BlockReader
from ...panel.sampler import BlockSampler
from ...panel.split import Split
from ...panel.store import Panel
from ...training.data import DayLoader
from ...training.engine import Trainer
from ...training.hardware import choose_device, keep_freed_memory
from ...training.params import TrainingParams
from ...training.run_status import read_status, read_training
from ...training.runs import MANIFEST, read_manifest
from ...training.telemetry import MEMORY_AT_START
from ..bench_train import EDGE_ATTRIBUTES, HORIZONS, NETWORK, PHASE, TRAINING, make_panel
from .sizes import PanelSizes

PROCESS_PART, GRAPHS_PART = "Python and all libraries", "graphs, and the panel's index"
HEAP_PER_BYTE = 1.55  # bytes of heap per byte in use, if the C library keeps freed memory: see docs/performance.md
TINY_NETWORK = NetworkParams.model_validate(NETWORK | {"hidden_size": 8, "lookback": 20, "fan_channels": 8})
TINY_FEATURES, TINY_STOCKS, TINY_DAYS = 4, 8, 40


@dataclass(frozen=True)
class Machine:
    """The machine on which a training will run."""

    process: int  # bytes of a process that has loaded all libraries
    keeps_freed: bool  # whether the C library keeps freed memory in the process
    memory: MemorySize
    has_gpu: bool = False
    gpu: MemorySize | None = None  # None if the GPU is on another machine


@dataclass(frozen=True)
class MemoryPart:
    """One part of the memory of a training: bytes of the machine's memory and of the GPU's."""

    name: str
    memory: int
    gpu: int = 0


@dataclass(frozen=True)
class MemoryNeed:
    """The memory of a training at its peak."""

    parts: tuple[MemoryPart, ...]
    phase: str  # the phase whose steps need the most

    @property
    def memory(self) -> int:
        """Bytes of the machine's memory."""
        return sum(part.memory for part in self.parts)

    @property
    def gpu(self) -> int:
        """Bytes of the GPU's memory."""
        return sum(part.gpu for part in self.parts)

    def with_measured_start(self, memory: int) -> Self:
        """Replace the estimate of the process and the graphs by the bytes measured at the start."""
        parts = [part for part in self.parts if part.name not in {PROCESS_PART, GRAPHS_PART}]
        gpu = sum(part.gpu for part in self.parts if part.name == GRAPHS_PART)
        return replace(self, parts=(MemoryPart("the process before the training starts", memory, gpu), *parts))

    def fits(self, machine: Machine) -> bool:
        """Return whether the free memory is enough; a GPU's is not checked if it is unknown."""
        return self.memory <= machine.memory.free and (machine.gpu is None or self.gpu <= machine.gpu.free)


@dataclass(frozen=True)
class TrainingPlan:
    """The sizes and parameters that determine the memory of a training."""

    sizes: PanelSizes
    network: NetworkParams
    training: TrainingParams

    @classmethod
    def from_run(cls, folder: Path, panel: Panel, split: Split, graph: GraphParams) -> Self | None:
        """Read the plan of a run; None if it was trained on another panel."""
        manifest = read_manifest(folder)
        if manifest["panel"] != panel.identity:
            return None
        training = read_training(folder)
        network = parse_model(manifest.get("network"), NetworkParams, folder / MANIFEST)
        return cls(PanelSizes.measure(panel, split, graph, training.days_per_block), network, training)

    def estimate(self, machine: Machine) -> MemoryNeed:
        """Simulate the training with tensors without data, and add up the parts of its memory."""
        from .fake_training import simulate_training  # here: its libraries would enlarge the measured process

        use = simulate_training(self.sizes.keep_horizons(self.network.horizons), self.network, self.training)
        gradients = min(use.weights, use.step)
        if use.step >= use.scoring:
            peak = MemoryPart(f"activations of a step, phase {use.phase}", use.step - gradients)
        else:
            peak = MemoryPart(f"forecasts of {self.sizes.validation_days} validation days", use.scoring - gradients)
        parts = [
            MemoryPart(GRAPHS_PART, use.graphs + use.index),
            MemoryPart("weights", use.weights),
            MemoryPart("gradients", gradients),
            MemoryPart("optimizer", use.optimizer),
            MemoryPart("averages and the best weights", use.averages),
            peak,
        ]
        process = MemoryPart(PROCESS_PART, machine.process)
        if machine.has_gpu:
            size = self.sizes.count_bytes(self.sizes.rows)
            panel = MemoryPart("panel, before it is copied to the GPU", size, gpu=use.panel)
            on_gpu = (MemoryPart(part.name, 0, gpu=part.memory) for part in parts)
            return MemoryNeed((process, panel, *on_gpu), use.phase)
        panel = MemoryPart("panel, rows that are read (memory-mapped)", self.sizes.count_bytes(self.sizes.read_rows))
        freed = (HEAP_PER_BYTE - 1) * sum(part.memory for part in parts) if machine.keeps_freed else 0
        kept = MemoryPart("freed memory that the heap keeps", round(freed))
        return MemoryNeed((process, panel, *parts, kept), use.phase)

    def find_smaller(self, machine: Machine, need: MemoryNeed) -> tuple["TrainingPlan", MemoryNeed] | None:
        """Find the first smaller training that fits, by its phase with the largest steps."""
        phases = tuple(phase for phase in self.training.phases if phase.name == need.phase)
        for plan in self._list_smaller_plans():
            with_one_phase = replace(plan, training=plan.training.model_copy(update={"phases": phases}))
            if (smaller := with_one_phase.estimate(machine)).fits(machine):
                return plan, smaller
        return None

    def _list_smaller_plans(self) -> Iterator["TrainingPlan"]:
        """First halve the days of a block and double the blocks of a step; then also halve the network's width."""
        plan = self
        while (days := plan.training.days_per_block) > 1:
            shorter = {"days_per_block": ceil(days / 2), "accumulate": 2 * plan.training.accumulate}
            plan = replace(plan, training=plan.training.model_copy(update=shorter))
            yield plan
        smallest = max(self.network.fan_channels, 8 * self.network.heads, 8 * self.network.graph_heads)
        while (hidden := plan.network.hidden_size // 2) >= smallest and hidden % smallest == 0:
            plan = replace(plan, network=plan.network.model_copy(update={"hidden_size": hidden}))
            yield plan

    def format_changes(self, other: "TrainingPlan") -> str:
        """Format the parameters in which another plan differs, in the syntax of ``--params``."""
        own, others = self._list_parameters(), other._list_parameters()
        return ",".join(f"{name}={value}" for name, value in others.items() if value != own[name])

    def _list_parameters(self) -> dict[str, int]:
        return {
            "training.days_per_block": self.training.days_per_block,
            "training.accumulate": self.training.accumulate,
            "network.hidden_size": self.network.hidden_size,
        }


def compare_with_run(folder: Path, need: MemoryNeed) -> str:
    """Compare an estimate with the measured peak of a run.

    The peak is that of the GPU's tensors, or of the process if there is no GPU. For the process, the estimate contains
    the measured memory before the training instead of an estimate of it.
    """
    measured = read_status(folder).load
    if (gpu := measured.get("peak_gpu_memory_gb")) is not None:
        return f"{need.gpu / (1e9 * gpu):.2f} times the measured peak of the GPU's tensors"
    if MEMORY_AT_START not in measured:
        return "not comparable: the memory of the process before the training was not measured"
    expected = need.with_measured_start(round(1e9 * measured[MEMORY_AT_START])).memory / 1e9
    ratio = expected / measured["peak_memory_gb"]
    return f"{expected:.2f} GB, {ratio:.2f} times the measured peak (with the measured start)"


def measure_machine(device: str, extra: int = 0) -> Machine:
    """Measure this machine for a training on a device (``training.device``).

    The process of the training needs ``extra`` more bytes than this one.
    """
    has_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    local_device = choose_device("auto" if has_gpu else "cpu")
    process, memory = measure_process(local_device) + extra, measure_free_memory()
    own = psutil.Process().memory_info().rss  # free when the training starts: this process has ended then
    gpu = MemorySize(*torch.cuda.mem_get_info(local_device)) if local_device.type == "cuda" else None
    return Machine(process, keep_freed_memory(), MemorySize(memory.free + own, memory.total), has_gpu, gpu)


def measure_process(device: torch.device) -> int:
    """Measure this process, in bytes, after a tiny training has loaded all libraries."""
    keep_freed_memory()
    panel, graphs = make_panel(TINY_FEATURES, TINY_STOCKS, TINY_DAYS)
    network = Atft(TINY_NETWORK, TINY_FEATURES, HORIZONS, EDGE_ATTRIBUTES).to(device)
    days = TINY_NETWORK.lookback + np.arange(2)
    reader = BlockReader(panel.to(device), graphs.to(device), TINY_NETWORK.lookback, len(days))
    loader = DayLoader(reader, BlockSampler([days], len(days), seed=7))
    changes = {"phases": [PHASE], "days_per_block": len(days), "precision": "fp32", "compile": False}
    Trainer(network, loader, loader, TrainingParams.model_validate(TRAINING | changes)).fit()
    return int(psutil.Process().memory_info().rss)
