"""How many days of a block are computed at once."""

import torch

CHUNK_VALUES = 2**20  # values of a tensor (4 MB in fp32) that a CPU's cache still holds


def count_days_at_once(days: int, values_per_day: int, device: torch.device) -> int:
    """Count the days whose tensors a CPU's cache holds.

    On other devices, and in compiled code, these are all days. Operations on larger tensors wait for the memory: a few
    days at a time are faster.
    """
    if device.type != "cpu" or torch.compiler.is_compiling():
        return max(days, 1)
    return max(CHUNK_VALUES // max(values_per_day, 1), 1)
