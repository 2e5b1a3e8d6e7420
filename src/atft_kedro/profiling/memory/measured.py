"""What a run has taken of its machine's memory, beside what it was to take."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ...files import parse_model
from ...graph.neighbours import GraphParams
from ...network.params import NetworkParams
from ...panel.split import Split
from ...panel.store import Panel
from ...training.run_status import read_manifest, read_status, read_training
from ...training.runs import MANIFEST
from ...training.telemetry import START
from .estimate import Need, Plan
from .sizes import Sizes


@dataclass(frozen=True)
class Taken:
    """Bytes that a run's process has taken while it trained."""

    start: int | None  # when its training began; None where the system does not measure a training apart
    memory: float  # at the most
    gpu: float | None  # at the most, by tensors; None without a GPU

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run's heartbeat."""
        load = read_status(folder).load
        gpu = load.get("peak_gpu_memory_gb")
        start = round(1e9 * load[START]) if START in load else None
        return cls(start, 1e9 * load["peak_memory_gb"], None if gpu is None else 1e9 * gpu)

    def compare(self, need: Need) -> str:
        """Say how many times what was taken had been predicted, of the GPU's memory where there is one.

        Elsewhere a process is compared with a process: what this one held when its training began, and what the
        training adds to that, with the most that the process held since.
        """
        if self.gpu is not None:
            return f"{need.gpu / self.gpu:.2f} times that, of the GPU's memory by tensors"
        if self.start is None:
            return "not comparable: what its process held when the training began was not measured"
        expected = need.begin_with(self.start).memory
        return (
            f"{expected / 1e9:.2f} GB, {expected / self.memory:.2f} times that, from what the process held at the start"
        )


def plan_again(folder: Path, panel: Panel, split: Split, graph: GraphParams) -> Plan | None:
    """Plan what a run trained; None where that was on another panel."""
    manifest = read_manifest(folder)
    if manifest["panel"] != panel.identity:
        return None
    training = read_training(folder)
    network = parse_model(manifest.get("network"), NetworkParams, folder / MANIFEST)
    return Plan(Sizes.measure(panel, split, graph, training.days_per_block), network, training)
