"""The memory that a training will need, a smaller training that fits, and what a run has used."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ...files import parse_model
from ...graph.neighbours import GraphParams
from ...network.params import NetworkParams
from ...panel.split import Split
from ...panel.store import Panel
from ...training.params import TrainingParams
from ...training.run_status import read_status, read_training
from ...training.runs import MANIFEST, read_manifest
from ...training.telemetry import START
from .available_memory import Machine
from .sizes import PanelSizes

PROCESS, INDEX = "Python and all libraries", "graphs, and the panel's index"
HEAP_PER_BYTE = 1.55  # heap for each byte in use, where freed memory is kept: see docs/performance.md


@dataclass(frozen=True)
class MemoryPart:
    """One use of memory: bytes of the machine's, bytes of its GPU's."""

    name: str
    memory: int
    gpu: int = 0


@dataclass(frozen=True)
class MemoryNeed:
    """The memory of a training at its largest moment."""

    parts: tuple[MemoryPart, ...]
    phase: str  # with the largest steps

    @property
    def memory(self) -> int:
        """Bytes of the machine's memory."""
        return sum(part.memory for part in self.parts)

    @property
    def gpu(self) -> int:
        """Bytes of the GPU's memory."""
        return sum(part.gpu for part in self.parts)

    def replace_start(self, memory: int) -> Self:
        """Replace the estimate for the process and graphs by the measurement at the start."""
        parts = [part for part in self.parts if part.name not in {PROCESS, INDEX}]
        gpu = sum(part.gpu for part in self.parts if part.name == INDEX)
        return replace(self, parts=(MemoryPart("the process before its training", memory, gpu), *parts))

    def fits(self, machine: Machine) -> bool:
        """Check whether the free memory is enough; an unknown GPU is not checked."""
        return self.memory <= machine.memory.free and (machine.gpu is None or self.gpu <= machine.gpu.free)


@dataclass(frozen=True)
class TrainingPlan:
    """A training that has not started."""

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
        """Estimate the memory by a training with fake tensors."""
        from .fake_training import simulate_training

        used = simulate_training(self.sizes.keep_horizons(self.network.horizons), self.network, self.training)
        gradients = min(used.weights, used.step)
        if used.step >= used.scoring:
            largest = MemoryPart(f"activations of a step, phase {used.phase}", used.step - gradients)
        else:
            largest = MemoryPart(f"forecasts of {self.sizes.validation_days} validation days", used.scoring - gradients)
        parts = [
            MemoryPart(INDEX, used.graphs + used.index),
            MemoryPart("weights", used.weights),
            MemoryPart("gradients", gradients),
            MemoryPart("optimizer", used.optimizer),
            MemoryPart("averages and the best weights", used.averages),
            largest,
        ]
        process = MemoryPart(PROCESS, machine.process)
        if machine.has_gpu:
            panel = MemoryPart("panel, read once and copied", self.sizes.count_bytes(self.sizes.rows), gpu=used.panel)
            on_gpu = (MemoryPart(part.name, 0, gpu=part.memory) for part in parts)
            return MemoryNeed((process, panel, *on_gpu), used.phase)
        panel = MemoryPart("panel, memory-mapped: the rows read", self.sizes.count_bytes(self.sizes.read_rows))
        gaps = (HEAP_PER_BYTE - 1) * sum(part.memory for part in parts) if machine.keeps_freed else 0
        return MemoryNeed((process, panel, *parts, MemoryPart("gaps in the heap", round(gaps))), used.phase)

    def find_smaller(self, machine: Machine, need: MemoryNeed) -> tuple["TrainingPlan", MemoryNeed] | None:
        """Find the first training that fits, with shorter blocks or then a narrower network."""
        largest = tuple(phase for phase in self.training.phases if phase.name == need.phase)
        for plan in self._shrink():
            largest_phase = replace(plan, training=plan.training.model_copy(update={"phases": largest}))
            if (smaller := largest_phase.estimate(machine)).fits(machine):
                return plan, smaller
        return None

    def _shrink(self) -> Iterator["TrainingPlan"]:
        """Halve the days of a block and double the blocks of a step; then halve the network's width."""
        plan = self
        while (days := plan.training.days_per_block) > 1:
            shorter = {"days_per_block": -(-days // 2), "accumulate": 2 * plan.training.accumulate}
            plan = replace(plan, training=plan.training.model_copy(update=shorter))
            yield plan
        least = max(self.network.fan_channels, 8 * self.network.heads, 8 * self.network.graph_heads)
        while (hidden := plan.network.hidden_size // 2) >= least and hidden % least == 0:
            plan = replace(plan, network=plan.network.model_copy(update={"hidden_size": hidden}))
            yield plan

    def format_changes(self, other: "TrainingPlan") -> str:
        """Format the parameters in which another plan differs, as ``--params`` takes them."""
        own, others = self._list_parameters(), other._list_parameters()
        return ",".join(f"{name}={value}" for name, value in others.items() if value != own[name])

    def _list_parameters(self) -> dict[str, int]:
        return {
            "training.days_per_block": self.training.days_per_block,
            "training.accumulate": self.training.accumulate,
            "network.hidden_size": self.network.hidden_size,
        }


def compare_with_run(folder: Path, need: MemoryNeed) -> str:
    """Compare an estimate with a run's peak: of its GPU's tensors, else of its process.

    For the process, its measured memory at the start replaces the estimate for that.
    """
    load = read_status(folder).load
    if (gpu := load.get("peak_gpu_memory_gb")) is not None:
        return f"{need.gpu / (1e9 * gpu):.2f} times the peak of the GPU's tensors"
    if START not in load:
        return "not comparable: the process's memory before its training was not measured"
    expected = need.replace_start(round(1e9 * load[START])).memory / 1e9
    return f"{expected:.2f} GB, {expected / load['peak_memory_gb']:.2f} times the peak, given the memory at the start"
