"""Measure the memory of a machine, and of a process before it loads any data."""

from dataclasses import dataclass

import numpy as np
import psutil
import torch

from ...cgroup import FreeMemory, measure_free_memory
from ...network.atft import Atft
from ...network.params import NetworkParams
from ...panel.blocks import BlockReader
from ...panel.sampler import BlockSampler
from ...training.data import DayLoader
from ...training.engine import Trainer
from ...training.hardware import choose_device, keep_freed_memory
from ...training.params import TrainingParams
from ..bench_train import EDGE_ATTRIBUTES, HORIZONS, NETWORK, PHASE, TRAINING, make_panel

SMALLEST = NetworkParams.model_validate(NETWORK | {"hidden_size": 8, "lookback": 20, "fan_channels": 8})
FEATURES, STOCKS, DAYS = 4, 8, 40


@dataclass(frozen=True)
class Machine:
    """The machine on which a training will run."""

    process: int  # bytes of a process that has loaded all libraries
    keeps_freed: bool  # whether the C library keeps freed memory in the process
    memory: FreeMemory
    has_gpu: bool = False
    gpu: FreeMemory | None = None  # None if the GPU is on another machine


def measure_machine(device: str, extra: int = 0) -> Machine:
    """Measure this machine for a training on a device (``training.device``).

    The process of the training needs ``extra`` more bytes than this one.
    """
    has_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    local_device = choose_device("auto" if has_gpu else "cpu")
    process, memory = measure_process(local_device) + extra, measure_free_memory()
    own = psutil.Process().memory_info().rss  # free when the training starts: this process has ended then
    gpu = FreeMemory(*torch.cuda.mem_get_info(local_device)) if local_device.type == "cuda" else None
    return Machine(process, keep_freed_memory(), FreeMemory(memory.free + own, memory.total), has_gpu, gpu)


def measure_process(device: torch.device) -> int:
    """Measure this process, in bytes, after a tiny training has loaded all libraries."""
    keep_freed_memory()
    panel, graphs = make_panel(FEATURES, STOCKS, DAYS)
    network = Atft(SMALLEST, FEATURES, HORIZONS, EDGE_ATTRIBUTES).to(device)
    days = SMALLEST.lookback + np.arange(2)
    reader = BlockReader(panel.to(device), graphs.to(device), SMALLEST.lookback, len(days))
    loader = DayLoader(reader, BlockSampler([days], len(days), seed=7))
    changes = {"phases": [PHASE], "days_per_block": len(days), "precision": "fp32", "compile": False}
    Trainer(network, loader, loader, TrainingParams.model_validate(TRAINING | changes)).fit()
    return int(psutil.Process().memory_info().rss)
