"""What a run's heartbeat says of its machine, in words."""

from collections.abc import Mapping

from .telemetry import ALLOCATOR, COUNTERS, START

LOAD = (START, "memory_gb", "peak_memory_gb", *ALLOCATOR, *COUNTERS)


def say_load(told: Mapping[str, float]) -> dict[str, str]:
    """Say what is known of memory and GPU, and nothing of what is not."""
    said = {"memory": _say_memory(told), "GPU": _say_gpu(told), "GPU memory": _say_gpu_memory(told)}
    return {name: ", ".join(words) for name, words in said.items() if words}


def _say_memory(told: Mapping[str, float]) -> list[str]:
    now = [f"{told['memory_gb']:.2f} GB"] if "memory_gb" in told else []
    began = f" since the training began with {told[START]:.2f} GB" if START in told else ""
    return now + [f"at most {told['peak_memory_gb']:.2f} GB{began}"] if "peak_memory_gb" in told else now


def _say_gpu(told: Mapping[str, float]) -> list[str]:
    units = {"gpu_utilisation": "% busy", "gpu_temperature": "°C"}
    said = [f"{told[name]:.0f} {unit}" for name, unit in units.items() if name in told]
    if "gpu_power_w" in told:
        limit = f" of {told['gpu_power_limit_w']:.0f}" if "gpu_power_limit_w" in told else ""
        said.append(f"{told['gpu_power_w']:.0f}{limit} W")
    return said


def _say_gpu_memory(told: Mapping[str, float]) -> list[str]:
    said = []
    if "gpu_memory_used_gb" in told:
        said.append(f"{told['gpu_memory_used_gb']:.1f} of {told['gpu_memory_total_gb']:.1f} GB taken")
    if "gpu_memory_allocated_gb" in told:
        own = f"{told['gpu_memory_allocated_gb']:.2f} GB by tensors (at most {told['peak_gpu_memory_gb']:.2f})"
        said += [own, f"{told['gpu_memory_reserved_gb']:.2f} GB kept for them"]
    short = {"gpu_memory_retries": "times short of it", "gpu_memory_ooms": "times out of it"}
    return said + [f"{told[name]:.0f} {word}" for name, word in short.items() if told.get(name)]
