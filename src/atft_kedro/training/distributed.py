"""The processes that train together: what they add up, agree on and tell each other."""

import atexit
import importlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ..params import InputError

PATIENCE = timedelta(hours=12)  # how long a process waits for the first, which may have stages to run before


class ProcessGroup:
    """One process alone, or all that ``torchrun`` has started."""

    def __init__(self) -> None:
        self.count = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0

    @property
    def is_first(self) -> bool:
        """Say whether this is the one that writes."""
        return self.rank == 0

    def require_as_many(self, count: int) -> None:
        """Refuse to resume a training of another number of processes."""
        if count != self.count:
            raise InputError(
                f"This training was started by {count} processes, and now runs in {self.count}; resume it with {count}."
            )

    def require_same(self, data: str) -> None:
        """Refuse to train together on data that differs between processes."""
        if len(set(self.gather(data))) > 1:
            raise InputError(
                "The processes of this training have read different tables: another run has made them anew meanwhile. "
                "Start it again."
            )

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Add tensors up over all processes, in one message."""
        if self.count == 1 or not tensors:
            return
        whole = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(whole)
        for tensor, piece in zip(tensors, whole.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(piece.view_as(tensor))

    def any(self, mine: bool, device: torch.device) -> bool:
        """Say whether any process says so."""
        if self.count == 1:
            return mine
        said = torch.tensor(float(mine), device=device)
        self.add([said])
        return bool(said)

    def gather(self, mine: Any) -> list[Any]:
        """Let everybody know what each has."""
        if self.count == 1:
            return [mine]
        told: list[Any] = [None] * self.count
        dist.all_gather_object(told, mine)
        return told

    def tell(self, what: Any) -> Any:
        """Let the first process tell all others."""
        if self.count == 1:
            return what
        told = [what]
        dist.broadcast_object_list(told)
        return told[0]


def is_launched() -> bool:
    """Say whether ``torchrun`` has started this process."""
    return dist.is_available() and dist.is_torchelastic_launched()


def join() -> ProcessGroup:
    """Meet the other processes that ``torchrun`` has started."""
    if is_launched() and not dist.is_initialized():
        importlib.import_module("torch.distributed.nn")  # an optimizer does; its defaults would hold the group for good
        has_gpu = torch.cuda.is_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpu else "gloo", timeout=PATIENCE)
        atexit.register(dist.destroy_process_group)  # its threads must not outlive the interpreter
        if has_gpu:
            torch.cuda.set_device(dist.get_node_local_rank())
    return ProcessGroup()
