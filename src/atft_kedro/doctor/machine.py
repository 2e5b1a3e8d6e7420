"""Checks of the GPU, the memory and the processors."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import torch

from ..advice import advise_run
from ..cgroup import CGROUP, count_processors, measure_free_memory
from ..checks import CheckResult

MIN_MEMORY_GB = 4.0  # features.memory_gb is 4 by default
MIN_GPU_MEMORY_GB = 4.0


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver reports it."""

    name: str
    driver: str
    free_gb: float
    total_gb: float


def check_gpu() -> CheckResult:
    """Check whether there is a GPU with free memory that torch can use."""
    import pynvml  # imported here: without it only this check fails

    build = f"torch {torch.__version__}" + ("" if torch.version.cuda else ", a CPU build")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        is_usable = torch.cuda.is_available()
    try:
        return assess_gpus(list_gpus(), is_usable, "; ".join([build, *(str(warning.message) for warning in caught)]))
    except pynvml.NVMLError as error:
        return CheckResult.warn("gpu", f"its driver does not answer: {error}; {build}", "restart, or repair the driver")


def list_gpus() -> list[Gpu]:
    """List the GPUs of the NVIDIA driver; none without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return []
    try:
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        found = [(str(pynvml.nvmlDeviceGetName(handle)), pynvml.nvmlDeviceGetMemoryInfo(handle)) for handle in handles]
    finally:
        pynvml.nvmlShutdown()
    return [Gpu(name, driver, memory.free / 1e9, memory.total / 1e9) for name, memory in found]


def assess_gpus(gpus: list[Gpu], is_usable: bool, torch_build: str) -> CheckResult:
    """Report the GPUs; warn if torch cannot use them, or if little of their memory is free."""
    if not gpus:
        return CheckResult.ok("gpu", f"{'one that NVML does not list' if is_usable else 'none'}; {torch_build}")
    names = "; ".join(f"{gpu.name}, {gpu.free_gb:.0f} of {gpu.total_gb:.0f} GB free" for gpu in gpus)
    message = f"{names}; driver {gpus[0].driver}; {torch_build}"
    if not is_usable:
        advice = "install torch's CUDA build and a driver that is new enough for it: see Installing in README.md"
        return CheckResult.warn("gpu", f"torch cannot use it: {message}", advice)
    if max(gpu.free_gb for gpu in gpus) < MIN_GPU_MEMORY_GB:
        return CheckResult.warn("gpu", message, "nvidia-smi lists the processes that use its memory: end one, or wait")
    return CheckResult.ok("gpu", message)


def check_memory(cgroup: Path = CGROUP) -> CheckResult:
    """Check the free memory of the machine or the container."""
    memory = measure_free_memory(cgroup)
    message = f"{memory.free / 1e9:.1f} of {memory.total / 1e9:.1f} GB free"
    if memory.free / 1e9 < MIN_MEMORY_GB:
        advice = "end other programs, or lower features.memory_gb and use a smaller panel"
        return CheckResult.warn("memory", message, advice)
    return CheckResult.ok("memory", message)


def check_processors(cgroup: Path = CGROUP) -> CheckResult:
    """Compare torch's threads with the processors that this process may use."""
    processors, threads = count_processors(cgroup), torch.get_num_threads()
    if threads > processors:
        command = advise_run(params={"training.threads": processors})
        advice = f"{command}: more threads than processors are slower"
        return CheckResult.warn("processors", f"{processors}, and torch uses {threads} threads", advice)
    return CheckResult.ok("processors", f"{processors}, torch uses {threads} threads")
