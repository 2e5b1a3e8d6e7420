"""What memory a training will need, part by part, before it is run; and which smaller one would fit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from ...network.params import NetworkParams
from ...training.params import TrainingParams
from .available_memory import Machine
from .sizes import Sizes

PROCESS, INDEX = "Python and all libraries, as here", "graphs, and the panel's index"
GAPS = 1.55  # bytes of heap for each that is in use, where what is freed is kept: see docs/performance.md


@dataclass(frozen=True)
class Part:
    """One thing that takes memory: bytes of the machine's, bytes of its GPU's."""

    what: str
    memory: int
    gpu: int = 0


@dataclass(frozen=True)
class Need:
    """All that a training takes at its largest moment."""

    parts: tuple[Part, ...]
    phase: str  # whose steps are the largest

    @property
    def memory(self) -> int:
        """Sum the machine's."""
        return sum(part.memory for part in self.parts)

    @property
    def gpu(self) -> int:
        """Sum the GPU's."""
        return sum(part.gpu for part in self.parts)

    def begin_with(self, memory: int) -> Self:
        """Replace what the process is expected to hold before a training by what one did, its graphs included."""
        parts = [part for part in self.parts if part.what not in {PROCESS, INDEX}]
        gpu = sum(part.gpu for part in self.parts if part.what == INDEX)
        return replace(self, parts=(Part("the process when its training began", memory, gpu), *parts))

    def fits(self, machine: Machine) -> bool:
        """Say whether there is room for it, as far as is known."""
        return self.memory <= machine.room.free and (machine.gpu is None or self.gpu <= machine.gpu.free)


@dataclass(frozen=True)
class Plan:
    """A training that has not begun."""

    sizes: Sizes
    network: NetworkParams
    training: TrainingParams

    def predict(self, machine: Machine) -> Need:
        """Walk through it without holding anything, and say what it would hold."""
        from .fake_training import walk_through

        walk = walk_through(self.sizes.keep_horizons(self.network.horizons), self.network, self.training)
        gradients = min(walk.weights, walk.step)
        if walk.step >= walk.scoring:
            moment = Part(f"activations of a step, phase {walk.phase}", walk.step - gradients)
        else:
            moment = Part(f"forecasts of {self.sizes.validation_days} validation days", walk.scoring - gradients)
        held = [
            Part(INDEX, walk.graphs + walk.index),
            Part("weights", walk.weights),
            Part("gradients", gradients),
            Part("optimizer", walk.optimizer),
            Part("averages and the best weights", walk.averages),
            moment,
        ]
        process = Part(PROCESS, machine.process)
        if machine.has_gpu:
            panel = Part("panel, read once and copied", self.sizes.mapped, gpu=walk.panel)
            return Need((process, panel, *(Part(part.what, 0, gpu=part.memory) for part in held)), walk.phase)
        panel = Part("panel, mapped: what training reads", self.sizes.bytes_of(self.sizes.seen))
        gaps = (GAPS - 1) * sum(part.memory for part in held) if machine.keeps_freed else 0
        return Need((process, panel, *held, Part("gaps between them in the heap", round(gaps))), walk.phase)

    def find_smaller(self, machine: Machine, need: Need) -> tuple["Plan", Need] | None:
        """Find the nearest one with shorter blocks, or else with a narrower network, that fits."""
        largest = tuple(phase for phase in self.training.phases if phase.name == need.phase)
        for plan in self._shrink():
            alone = replace(plan, training=plan.training.model_copy(update={"phases": largest}))
            if (less := alone.predict(machine)).fits(machine):
                return plan, less
        return None

    def _shrink(self) -> Iterator["Plan"]:
        """Halve the block's days, and let a step have twice as many blocks; then halve the network's width."""
        plan = self
        while (days := plan.training.days_per_block) > 1:
            fewer = {"days_per_block": -(-days // 2), "accumulate": 2 * plan.training.accumulate}
            plan = replace(plan, training=plan.training.model_copy(update=fewer))
            yield plan
        least = max(self.network.fan_channels, 8 * self.network.heads, 8 * self.network.graph_heads)
        while (hidden := plan.network.hidden_size // 2) >= least and hidden % least == 0:
            plan = replace(plan, network=plan.network.model_copy(update={"hidden_size": hidden}))
            yield plan

    def name_changes(self, other: "Plan") -> str:
        """Write the parameters that make another plan of this one, as ``--params`` takes them."""
        mine, theirs = self._parameters(), other._parameters()
        return ",".join(f"{name}={value}" for name, value in theirs.items() if value != mine[name])

    def _parameters(self) -> dict[str, int]:
        return {
            "training.days_per_block": self.training.days_per_block,
            "training.accumulate": self.training.accumulate,
            "network.hidden_size": self.network.hidden_size,
        }
