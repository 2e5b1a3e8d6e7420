"""The memory and processors that this process may use, within its container's limits."""

import math
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")  # where Linux states the limits of a container
UNLIMITED = "max"


@dataclass(frozen=True)
class FreeMemory:
    """Free and total memory in bytes."""

    free: int
    total: int


def measure_free_memory(cgroup: Path = CGROUP) -> FreeMemory:
    """Measure the memory of the machine, or of its container where that has less."""
    system = psutil.virtual_memory()
    limit = _read(cgroup / "memory.max")
    if limit == UNLIMITED or int(limit) >= system.total:
        return FreeMemory(system.available, system.total)
    statistics = dict(line.split() for line in _read(cgroup / "memory.stat").splitlines())
    used = int(_read(cgroup / "memory.current")) - int(statistics["inactive_file"])  # the kernel frees cached files
    return FreeMemory(min(system.available, int(limit) - used), int(limit))


def count_processors(cgroup: Path = CGROUP) -> int:
    """Count the processors; a container's quota may allow fewer than it sees."""
    visible, quota = psutil.cpu_count() or 1, _read(cgroup / "cpu.max").split()
    return visible if quota[0] == UNLIMITED else min(visible, math.ceil(int(quota[0]) / int(quota[1])))


def _read(limit: Path) -> str:
    return limit.read_text().strip() if limit.exists() else UNLIMITED
