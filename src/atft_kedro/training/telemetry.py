"""Memory, GPU counters and times of a training process."""

import functools
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

STATUS = Path("/proc/self/status")  # Linux: what this process holds (VmRSS) and held at the most (VmHWM), in KiB
CLEAR_REFS = Path("/proc/self/clear_refs")  # Linux: writing 5 sets what was held at the most to what is held now
START = "memory_at_start_gb"
ALLOCATOR = {
    "gpu_memory_allocated_gb": "allocated_bytes.all.current",
    "peak_gpu_memory_gb": "allocated_bytes.all.peak",
    "gpu_memory_reserved_gb": "reserved_bytes.all.current",
    "peak_gpu_memory_reserved_gb": "reserved_bytes.all.peak",
    "gpu_memory_retries": "num_alloc_retries",
    "gpu_memory_ooms": "num_ooms",
}
COUNTERS: dict[str, Callable[[Any, Any], float]] = {
    "gpu_utilisation": lambda nvml, gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,  # percent
    "gpu_memory_used_gb": lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used / 1e9,  # by all processes
    "gpu_memory_total_gb": lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).total / 1e9,
    "gpu_temperature": lambda nvml, gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),  # °C
    "gpu_power_w": lambda nvml, gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    "gpu_power_limit_w": lambda nvml, gpu: nvml.nvmlDeviceGetEnforcedPowerLimit(gpu) / 1000,
}


def measure_memory() -> dict[str, int]:
    """Measure the bytes this process holds now (where the system tells) and held at the most."""
    if not STATUS.exists():
        return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)}
    told = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE))
    now, peak = (int(told[name]) * 1024 for name in ("VmRSS", "VmHWM"))  # ru_maxrss would count the parent's peak too
    return {"now": now, "peak": max(now, peak)}  # the system counts in lumps


def restart_peak() -> dict[str, float]:
    """Measure the peak from now on, and read what this process holds; empty where the system cannot do that."""
    try:
        CLEAR_REFS.write_text("5")
    except OSError:  # not Linux, or a container that hides it
        return {}
    return {START: measure_memory()["now"] / 1e9}


def read_memory(device: torch.device) -> dict[str, float]:
    """Read what this process holds now and held at the most; on a GPU what torch's allocator says too."""
    names = {"now": "memory_gb", "peak": "peak_memory_gb"}
    told = {names[name]: held / 1e9 for name, held in measure_memory().items()}
    return told | read_allocator(torch.cuda.memory_stats(device)) if device.type == "cuda" else told


def read_allocator(stats: Mapping[str, int]) -> dict[str, float]:
    """Pick from the allocator's counts: bytes as gigabytes, and how often memory ran short."""
    units = {name: 1e9 if name.endswith("_gb") else 1 for name in ALLOCATOR}
    return {name: stats[key] / units[name] for name, key in ALLOCATOR.items() if key in stats}


def read_devices(device: torch.device) -> dict[str, float]:
    """Read how busy and how hot the GPU is, and what it draws; nothing where there is none, or nobody to ask."""
    if device.type != "cuda":
        return {}
    found = _find_gpu(torch.cuda.current_device() if device.index is None else device.index)
    return {} if found is None else read_counters(*found)


def read_counters(nvml: Any, gpu: Any) -> dict[str, float]:
    """Read every counter that this GPU has: a slice of one, or an old one, lacks some."""
    told = {}
    for name, read in COUNTERS.items():
        try:
            told[name] = float(read(nvml, gpu))
        except nvml.NVMLError:
            continue
    return told


@functools.cache
def _find_gpu(place: int) -> tuple[Any, Any] | None:
    """Find one of torch's GPUs in NVML, once."""
    try:
        import pynvml
    except ModuleNotFoundError:  # a bare machine has torch, numpy and pydantic only
        return None
    gpu = find_by_uuid(pynvml, str(torch.cuda.get_device_properties(place).uuid))
    return None if gpu is None else (pynvml, gpu)


def find_by_uuid(nvml: Any, uuid: str) -> Any | None:
    """Find a GPU, or a slice of one, by what no setting reorders; None where no driver answers or it knows none."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None
    for kind in ("GPU", "MIG"):
        try:
            return nvml.nvmlDeviceGetHandleByUUID(f"{kind}-{uuid}")
        except nvml.NVMLError:
            continue
    return None


class Stopwatch:
    """Adds up segments of work.

    A GPU is told what to do long before it does it, so there its own events are asked, once, when the sum is read.
    """

    def __init__(self, device: torch.device) -> None:
        self.is_gpu = device.type == "cuda"
        self.seconds = 0.0
        self.marks: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time what is done inside."""
        if self.is_gpu:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            yield
            end.record()
            self.marks.append((begin, end))
            return
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started

    def read(self) -> float:
        """Sum up the seconds that were timed."""
        if self.marks:
            self.marks[-1][1].synchronize()
        self.seconds += sum(begin.elapsed_time(end) for begin, end in self.marks) / 1000
        self.marks.clear()
        return self.seconds


class EpochTimer:
    """Measures an epoch's seconds: wall, processor, and those spent on reading blocks.

    A training that stops inside an epoch stores what it measured; the resumed one continues from there.
    """

    def __init__(self, reading: Stopwatch) -> None:
        self.reading = reading
        self.before = {"seconds": 0.0, "cpu_seconds": 0.0}
        self.start()

    def start(self) -> None:
        """Start or restart the clocks; time that passed before does not count."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Sum up the epoch so far."""
        now = {"seconds": time.perf_counter() - self._wall, "cpu_seconds": time.process_time() - self._cpu}
        total = {name: self.before[name] + seconds for name, seconds in now.items()}
        return total | {"reading_seconds": self.reading.read()}

    def take(self) -> dict[str, float]:
        """Sum up the epoch, and begin the next one."""
        total = self.read()
        self.resume(dict.fromkeys(total, 0.0))
        return total

    def resume(self, total: dict[str, float]) -> None:
        """Continue an epoch of which a stopped training measured so much."""
        self.before = {name: total[name] for name in self.before}
        self.reading.seconds = total["reading_seconds"]
        self.start()
