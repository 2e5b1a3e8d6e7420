"""What the machine does while a network trains."""

import resource
import sys

import torch

BYTES_PER_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


def read_memory(device: torch.device) -> dict[str, float]:
    """Read the most memory that was used so far, in gigabytes."""
    peak = {"peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_UNIT / 1e9}
    if device.type == "cuda":
        peak["peak_gpu_memory_gb"] = torch.cuda.max_memory_allocated(device) / 1e9
    return peak


def read_devices(device: torch.device) -> dict[str, float]:
    """Read how busy (%) and how hot (°C) the GPU is; nothing where there is none, or nothing to read it with."""
    if device.type != "cuda":
        return {}
    try:
        return {
            "gpu_utilisation": float(torch.cuda.utilization(device)),
            "gpu_temperature": float(torch.cuda.temperature(device)),
        }
    except ModuleNotFoundError:  # NVML's bindings are not installed
        return {}
