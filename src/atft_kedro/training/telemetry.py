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

PROCESS_STATUS = Path("/proc/self/status")  # Linux: current (VmRSS) and peak (VmHWM) memory of this process, in KiB
CLEAR_REFS = Path("/proc/self/clear_refs")  # Linux: writing 5 resets the peak to the current memory
MEMORY_AT_START = "memory_at_start_gb"  # key of the memory of the process before the training

ALLOCATOR_KEYS = {  # key in heartbeat and metrics: key in torch.cuda.memory_stats
    "gpu_memory_allocated_gb": "allocated_bytes.all.current",
    "peak_gpu_memory_gb": "allocated_bytes.all.peak",
    "gpu_memory_reserved_gb": "reserved_bytes.all.current",
    "peak_gpu_memory_reserved_gb": "reserved_bytes.all.peak",
    "gpu_memory_retries": "num_alloc_retries",
    "gpu_memory_ooms": "num_ooms",
}
GPU_COUNTERS: dict[str, Callable[[Any, Any], float]] = {
    "gpu_utilisation": lambda nvml, gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,  # percent
    "gpu_memory_used_gb": lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used / 1e9,  # by all processes
    "gpu_memory_total_gb": lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).total / 1e9,
    "gpu_temperature": lambda nvml, gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU),  # °C
    "gpu_power_w": lambda nvml, gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    "gpu_power_limit_w": lambda nvml, gpu: nvml.nvmlDeviceGetEnforcedPowerLimit(gpu) / 1000,
}


def measure_memory() -> dict[str, int]:
    """Measure the current (on Linux) and peak memory of this process in bytes."""
    if not PROCESS_STATUS.exists():
        return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)}
    kib = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", PROCESS_STATUS.read_text(), re.MULTILINE))
    now, peak = (int(kib[name]) * 1024 for name in ("VmRSS", "VmHWM"))  # ru_maxrss would include the parent's peak
    return {"now": now, "peak": max(now, peak)}  # the system updates the peak with a delay


def restart_peak() -> dict[str, float]:
    """Reset the process's peak memory; return the current memory, or {} if it cannot be reset."""
    try:
        CLEAR_REFS.write_text("5")
    except OSError:  # not Linux, or a container that hides it
        return {}
    return {MEMORY_AT_START: measure_memory()["now"] / 1e9}


def read_memory(device: torch.device) -> dict[str, float]:
    """Read the current and peak memory of this process and, on a GPU, of torch's allocator."""
    names = {"now": "memory_gb", "peak": "peak_memory_gb"}
    memory = {names[name]: size / 1e9 for name, size in measure_memory().items()}
    return memory | read_allocator(torch.cuda.memory_stats(device)) if device.type == "cuda" else memory


def read_allocator(stats: Mapping[str, int]) -> dict[str, float]:
    """Select numbers of torch's GPU allocator: memory in GB, and counts of retries and failures."""
    units = {name: 1e9 if name.endswith("_gb") else 1 for name in ALLOCATOR_KEYS}
    return {name: stats[key] / units[name] for name, key in ALLOCATOR_KEYS.items() if key in stats}


def read_devices(device: torch.device) -> dict[str, float]:
    """Read the GPU's utilisation, memory, temperature and power; empty without a GPU or NVML."""
    if device.type != "cuda":
        return {}
    gpu = _find_gpu(torch.cuda.current_device() if device.index is None else device.index)
    return {} if gpu is None else read_counters(*gpu)


def read_counters(nvml: Any, gpu: Any) -> dict[str, float]:
    """Read every counter of a GPU; a MIG slice or an old GPU lacks some."""
    values = {}
    for name, read in GPU_COUNTERS.items():
        try:
            values[name] = float(read(nvml, gpu))
        except nvml.NVMLError:
            continue
    return values


@functools.cache
def _find_gpu(index: int) -> tuple[Any, Any] | None:
    """Find the NVML handle of torch's GPU with an index; the result is cached."""
    try:
        import pynvml
    except ModuleNotFoundError:  # a bare machine has torch, numpy and pydantic only
        return None
    gpu = find_by_uuid(pynvml, str(torch.cuda.get_device_properties(index).uuid))
    return None if gpu is None else (pynvml, gpu)


def find_by_uuid(nvml: Any, uuid: str) -> Any | None:
    """Find a GPU or a MIG slice by its UUID; None if the driver does not list it."""
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
    """A stopwatch that sums the durations of one kind of work.

    A GPU runs asynchronously, so its work is measured with CUDA events; ``read`` waits for them and adds them.
    """

    def __init__(self, device: torch.device) -> None:
        self.is_gpu = device.type == "cuda"
        self.seconds = 0.0
        self.events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure the work inside the context."""
        if self.is_gpu:
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            yield
            end.record()
            self.events.append((start, end))
            return
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started

    def read(self) -> float:
        """Return the sum in seconds; on a GPU, wait for the measured work."""
        if self.events:
            self.events[-1][1].synchronize()
        self.seconds += sum(start.elapsed_time(end) for start, end in self.events) / 1000
        self.events.clear()
        return self.seconds


class EpochTimer:
    """Timer of an epoch: seconds of wall time, of CPU time, and of reading blocks.

    A training that stops inside an epoch stores the seconds so far, and the resumed training adds to them.
    """

    def __init__(self, read_stopwatch: Stopwatch) -> None:
        self.read_stopwatch = read_stopwatch
        self.stored = {"seconds": 0.0, "cpu_seconds": 0.0}
        self.start()

    def start(self) -> None:
        """Start or restart the clocks; earlier time does not count."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Return the seconds of the epoch so far."""
        now = {"seconds": time.perf_counter() - self._wall, "cpu_seconds": time.process_time() - self._cpu}
        total = {name: self.stored[name] + seconds for name, seconds in now.items()}
        return total | {"reading_seconds": self.read_stopwatch.read()}

    def restart(self) -> dict[str, float]:
        """Return the seconds of the epoch, and start the next one."""
        total = self.read()
        self.resume(dict.fromkeys(total, 0.0))
        return total

    def resume(self, total: dict[str, float]) -> None:
        """Continue an epoch from the seconds that a stopped training stored."""
        self.stored = {name: total[name] for name in self.stored}
        self.read_stopwatch.seconds = total["reading_seconds"]
        self.start()
