"""Communication between the processes that ``torchrun`` starts for one training."""

import atexit
import importlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ..params import InputError

WAIT_TIMEOUT = timedelta(hours=12)  # while the first process runs earlier pipeline stages, the others wait


class TrainingProcesses:
    """All processes that train together: those of ``torchrun``, or this one alone."""

    def __init__(self) -> None:
        self.size = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0

    @property
    def is_first(self) -> bool:
        """Return whether this is the first process (rank 0), which writes the files of the run."""
        return self.rank == 0

    def require_size(self, size: int) -> None:
        """Refuse to resume a training with another number of processes than it was started with."""
        if size != self.size:
            raise InputError(
                f"This training was started with {size} processes, not {self.size}: resume it with {size}."
            )

    def require_same_tables(self, tables_hash: str) -> None:
        """Refuse to train on tables that differ between processes."""
        if len(set(self.all_gather(tables_hash))) > 1:
            raise InputError(
                "The processes of this training have read different tables, because another run has written new ones "
                "meanwhile. Start the training again."
            )

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in one call; all have the same dtype."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, values in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(values.view_as(tensor))

    def any_true(self, value: bool, device: torch.device) -> bool:
        """Return whether the value is true in at least one process."""
        if self.size == 1:
            return value
        total = torch.tensor(float(value), device=device)
        self.all_reduce([total])
        return bool(total)

    def all_gather(self, value: Any) -> list[Any]:
        """List the values of all processes, in order of rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def broadcast(self, value: Any) -> Any:
        """Return the value of the first process."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values)
        return values[0]


def is_torchrun() -> bool:
    """Return whether ``torchrun`` has started this process."""
    return dist.is_available() and dist.is_torchelastic_launched()


def join_process_group() -> TrainingProcesses:
    """Connect to the other processes under ``torchrun``; otherwise return a group of one."""
    if is_torchrun() and not dist.is_initialized():
        # Import this module before the group is created. If the optimizer imports it later, default arguments of its
        # functions keep a reference to the group, and the group is never freed.
        importlib.import_module("torch.distributed.nn")
        has_gpu = torch.cuda.is_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpu else "gloo", timeout=WAIT_TIMEOUT)
        atexit.register(dist.destroy_process_group)  # stops its threads before Python exits
        if has_gpu:
            torch.cuda.set_device(dist.get_node_local_rank())
    return TrainingProcesses()
