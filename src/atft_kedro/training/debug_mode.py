"""Deterministic algorithms and detection of the first tensor that is not finite."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from ..params import InputError
from .params import TrainingParams


def set_deterministic_workspace(training: TrainingParams) -> None:
    """Set a deterministic cuBLAS workspace for deterministic training.

    Call it before CUDA starts.
    """
    if training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # noqa: TID251  (cuBLAS', not this project's)


@contextmanager
def debug_mode(network: nn.Module, training: TrainingParams) -> Iterator[None]:
    """Enable deterministic algorithms and anomaly detection as configured; restore both on exit."""
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    with ExitStack() as stack:
        if training.deterministic:
            torch.use_deterministic_algorithms(True)
            stack.callback(torch.use_deterministic_algorithms, was_deterministic)
        if training.detect_anomaly:
            stack.enter_context(torch.autograd.set_detect_anomaly(True))
            for name, module in network.named_modules():
                stack.callback(module.register_forward_hook(_require_finite(name or "network")).remove)
        yield


def _require_finite(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
    def check(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        """Refuse an output that is not finite."""
        for number, value in enumerate(output if isinstance(output, tuple) else (output,)):
            if isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all():
                count = (~value.isfinite()).sum().item()
                raise InputError(
                    f"Output {number} of {name} ({type(module).__name__}, {tuple(value.shape)}) is the first that is "
                    f"not finite: {count} of {value.numel()} values."
                )

    return check
