"""What memory there is, and what a process takes of it before it holds anything of its own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch

from ...network.atft import Atft
from ...network.params import NetworkParams
from ...panel.blocks import BlockReader
from ...panel.sampler import BlockSampler
from ...training.data import DayLoader
from ...training.engine import Trainer
from ...training.hardware import choose_device, keep_freed_memory
from ...training.params import TrainingParams
from ..bench_train import EDGE_ATTRIBUTES, HORIZONS, NETWORK, PHASE, TRAINING, make_panel

CGROUP = Path("/sys/fs/cgroup")  # where a container reads its limits
SMALLEST = NetworkParams.model_validate(NETWORK | {"hidden_size": 8, "lookback": 20, "fan_channels": 8})
FEATURES, STOCKS, DAYS = 4, 8, 40


@dataclass(frozen=True)
class Room:
    """Bytes that are free for a new process, and that there are in all."""

    free: int
    total: int


@dataclass(frozen=True)
class Machine:
    """Where a training will run."""

    process: int  # bytes that a process takes with all its libraries
    keeps_freed: bool  # the C library keeps what is freed
    room: Room
    has_gpu: bool = False
    gpu: Room | None = None  # None: it is not this machine's


def measure_machine(wanted: str, beside: int = 0) -> Machine:
    """Measure this one, for a training on the device that ``training.device`` asks for; that may be elsewhere.

    The training's process may take some bytes ``beside`` what this one takes.
    """
    has_gpu = wanted == "cuda" or (wanted == "auto" and torch.cuda.is_available())
    device = choose_device("auto" if has_gpu else "cpu")
    process, room = measure_process(device) + beside, measure_room()
    gpu = Room(*torch.cuda.mem_get_info(device)) if device.type == "cuda" else None
    return Machine(process, keep_freed_memory(), room, has_gpu, gpu)


def measure_room(cgroup: Path = CGROUP) -> Room:
    """Ask the system, or the container where it has less; what this process holds will be free again."""
    system, mine = psutil.virtual_memory(), psutil.Process().memory_info().rss
    limit = cgroup / "memory.max"
    if not limit.exists() or limit.read_text().strip() == "max" or int(limit.read_text()) >= system.total:
        return Room(system.available + mine, system.total)
    stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    held = int((cgroup / "memory.current").read_text()) - int(stat["inactive_file"])  # which is given back when needed
    return Room(min(system.available, int(limit.read_text()) - held) + mine, int(limit.read_text()))


def measure_process(device: torch.device) -> int:
    """Count what this process takes when it has trained next to nothing, with all libraries that this loads."""
    keep_freed_memory()
    panel, graphs = make_panel(FEATURES, STOCKS, DAYS)
    network = Atft(SMALLEST, FEATURES, HORIZONS, EDGE_ATTRIBUTES).to(device)
    days = SMALLEST.lookback + np.arange(2)
    reader = BlockReader(panel.to(device), graphs.to(device), SMALLEST.lookback, len(days))
    loader = DayLoader(reader, BlockSampler([days], len(days), seed=7))
    changes = {"phases": [PHASE], "days_per_block": len(days), "precision": "fp32", "compile": False}
    Trainer(network, loader, loader, TrainingParams.model_validate(TRAINING | changes)).fit()
    return int(psutil.Process().memory_info().rss)
