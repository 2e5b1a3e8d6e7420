"""What is found of the machine: its GPU, memory and processors."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from .packages import Check

CGROUP = Path("/sys/fs/cgroup")  # where a container reads its limits
LEAST_MEMORY = 4.0  # GB; features.memory_gb is 4 by default
LEAST_GPU_MEMORY = 4.0


@dataclass(frozen=True)
class Card:
    """A GPU as its driver knows it."""

    name: str
    driver: str
    free: float  # GB
    total: float


def check_gpu() -> Check:
    """Ask the driver for GPUs, and torch whether it can use them."""
    import pynvml  # where it is missing, this check alone fails

    build = f"torch {torch.__version__}" + ("" if torch.version.cuda else ", a CPU build")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    try:
        return judge_gpu(find_cards(), usable, "; ".join([build, *(str(each.message) for each in told)]))
    except pynvml.NVMLError as error:
        return Check("gpu", "warn", f"its driver does not answer: {error}; {build}", "restart, or mend the driver")


def find_cards() -> list[Card]:
    """List the GPUs of the driver; none where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return []
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(place) for place in range(pynvml.nvmlDeviceGetCount())]
        found = [(str(pynvml.nvmlDeviceGetName(handle)), pynvml.nvmlDeviceGetMemoryInfo(handle)) for handle in handles]
    finally:
        pynvml.nvmlShutdown()
    return [Card(name, driver, memory.free / 1e9, memory.total / 1e9) for name, memory in found]


def judge_gpu(cards: list[Card], usable: bool, torch_says: str) -> Check:
    """Say which GPUs there are, and whether torch can use them and has room there."""
    if not cards:
        return Check("gpu", "ok", f"{'one that NVML does not know' if usable else 'none'}; {torch_says}")
    listed = "; ".join(f"{card.name}, {card.free:.0f} of {card.total:.0f} GB free" for card in cards)
    found = f"{listed}; driver {cards[0].driver}; {torch_says}"
    if not usable:
        advice = "install torch's CUDA build and a driver that is new enough for it: see Installing in README.md"
        return Check("gpu", "warn", f"torch cannot use it: {found}", advice)
    if max(card.free for card in cards) < LEAST_GPU_MEMORY:
        return Check("gpu", "warn", found, "nvidia-smi says who holds its memory: end that, or wait")
    return Check("gpu", "ok", found)


def check_memory(cgroup: Path = CGROUP) -> Check:
    """Say how much memory is free; of a container's, where it has a limit."""
    system = psutil.virtual_memory()
    free, total = system.available, system.total
    limit = _read(cgroup / "memory.max")
    if limit != "max" and int(limit) < total:
        stat = dict(line.split() for line in _read(cgroup / "memory.stat").splitlines())
        total = int(limit)  # what is cached of files is given back when it is needed
        free = min(free, total - int(_read(cgroup / "memory.current")) + int(stat["inactive_file"]))
    found = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free"
    if free / 1e9 < LEAST_MEMORY:
        return Check("memory", "warn", found, "end other programs, or lower features.memory_gb and what is trained on")
    return Check("memory", "ok", found)


def check_processors(cgroup: Path = CGROUP) -> Check:
    """Compare torch's threads with the processors that are its own; a container may have less than it sees."""
    seen, quota = psutil.cpu_count() or 1, _read(cgroup / "cpu.max").split()
    own = seen if quota[0] == "max" else min(seen, math.ceil(int(quota[0]) / int(quota[1])))
    threads = torch.get_num_threads()
    if threads > own:
        advice = f"kedro run --params training.threads={own}: threads without a processor hold the others up"
        return Check("processors", "warn", f"{own}, and torch uses {threads} threads", advice)
    return Check("processors", "ok", f"{own}, torch uses {threads} threads")


def _read(limit: Path) -> str:
    return limit.read_text().strip() if limit.exists() else "max"
