"""The memory and the processors of the machine, within the limits of its container."""

import math
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")  # Linux writes the limits of a container into this folder (cgroup v2)
UNLIMITED = "max"


@dataclass(frozen=True)
class MemorySize:
    """Free and total memory in bytes."""

    free: int
    total: int


def measure_free_memory(cgroup: Path = CGROUP) -> MemorySize:
    """Measure the memory of the machine, or of the container if its limit is smaller."""
    system = psutil.virtual_memory()
    limit = _read_text(cgroup / "memory.max")
    if limit == UNLIMITED or int(limit) >= system.total:
        return MemorySize(system.available, system.total)
    statistics = dict(line.split() for line in _read_text(cgroup / "memory.stat").splitlines())
    cached = int(statistics["inactive_file"])  # files that the kernel drops when memory is needed
    used = int(_read_text(cgroup / "memory.current")) - cached
    return MemorySize(min(system.available, int(limit) - used), int(limit))


def count_processors(cgroup: Path = CGROUP) -> int:
    """Count the machine's processors, at most the CPU quota of the container, rounded up."""
    visible, quota = psutil.cpu_count() or 1, _read_text(cgroup / "cpu.max").split()
    return visible if quota[0] == UNLIMITED else min(visible, math.ceil(int(quota[0]) / int(quota[1])))


def _read_text(path: Path) -> str:
    """Read a file of the cgroup; without it there is no limit."""
    return path.read_text().strip() if path.exists() else UNLIMITED
