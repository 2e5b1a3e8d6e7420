"""What a run has taken of its machine's memory, beside what it was to take."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ...disk import parse_model
from ...graph.choice import GraphParams
from ...network.sizes import NetworkParams
from ...panel.split import Split
from ...panel.store import Panel
from ...training.runs import MANIFEST
from ..watch import read_manifest, read_status, read_training
from .need import Need, Plan
from .sizes import Sizes


@dataclass(frozen=True)
class Taken:
    """Bytes that a run has taken at the most."""

    memory: float
    gpu: float | None  # by tensors; None without a GPU

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run's heartbeat."""
        load = read_status(folder).load
        gpu = load.get("peak_gpu_memory_gb")
        return cls(1e9 * load["peak_memory_gb"], None if gpu is None else 1e9 * gpu)

    def compare(self, need: Need) -> float:
        """Say how many times what was taken had been predicted, of the GPU's memory where there is one."""
        return need.memory / self.memory if self.gpu is None else need.gpu / self.gpu


def plan_again(folder: Path, panel: Panel, split: Split, graph: GraphParams) -> Plan | None:
    """Plan what a run trained; None where that was on another panel."""
    manifest = read_manifest(folder)
    if manifest["panel"] != panel.identity:
        return None
    training = read_training(folder)
    network = parse_model(manifest.get("network"), NetworkParams, folder / MANIFEST)
    return Plan(Sizes.measure(panel, split, graph, training.days_per_block), network, training)
