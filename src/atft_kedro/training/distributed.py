"""The processes of a training that ``torchrun`` starts, and what they exchange."""

import atexit
import importlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ..params import InputError

TIMEOUT = timedelta(hours=12)  # the first process may have to run other stages before


class TrainingProcesses:
    """All processes that train together: those of ``torchrun``, or this one alone."""

    def __init__(self) -> None:
        self.size = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0

    @property
    def is_first(self) -> bool:
        """Return whether this process writes the files of the run."""
        return self.rank == 0

    def require_size(self, size: int) -> None:
        """Refuse to resume a training that another number of processes started."""
        if size != self.size:
            raise InputError(
                f"This training was started by {size} processes and now runs in {self.size}: resume it with {size}."
            )

    def require_same(self, digest: str) -> None:
        """Refuse to train on tables that differ between processes."""
        if len(set(self.all_gather(digest))) > 1:
            raise InputError(
                "The processes of this training have read different tables, because another run has written new ones "
                "meanwhile. Start the training again."
            )

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in one message."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, values in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(values.view_as(tensor))

    def any(self, value: bool, device: torch.device) -> bool:
        """Return whether the value is true in any process."""
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
    """Connect to the other processes that ``torchrun`` has started."""
    if is_torchrun() and not dist.is_initialized():
        # Imported before the group exists: the optimizer imports it later, when its default arguments would hold the
        # group and keep it alive.
        importlib.import_module("torch.distributed.nn")
        has_gpu = torch.cuda.is_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpu else "gloo", timeout=TIMEOUT)
        atexit.register(dist.destroy_process_group)  # its threads must not outlive the interpreter
        if has_gpu:
            torch.cuda.set_device(dist.get_node_local_rank())
    return TrainingProcesses()
