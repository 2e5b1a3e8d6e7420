"""Debugging of a training: deterministic algorithms, and an error at the first output that is not finite."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from ..params import InputError
from .params import TrainingParams


def set_deterministic_workspace(training: TrainingParams) -> None:
    """Set CUBLAS_WORKSPACE_CONFIG if the training is deterministic and the variable is not set yet.

    Call it before CUDA starts.
    """
    if training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # noqa: TID251  (of cuBLAS, not of this project)


@contextmanager
def debug_mode(network: nn.Module, training: TrainingParams) -> Iterator[None]:
    """Enable deterministic algorithms and anomaly detection as configured; restore the settings on exit.

    Does nothing if neither ``training.deterministic`` nor ``training.detect_anomaly`` is true.
    """
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    with ExitStack() as stack:
        if training.deterministic:
            torch.use_deterministic_algorithms(True)
            stack.callback(torch.use_deterministic_algorithms, was_deterministic)
        if training.detect_anomaly:
            stack.enter_context(torch.autograd.set_detect_anomaly(True))
            for name, module in network.named_modules():
                stack.callback(module.register_forward_hook(_make_finite_check(name or "network")).remove)
        yield


def _make_finite_check(name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
    """Make a forward hook of the module with this name."""

    def require_finite(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        """Raise an error if an output of the module is not finite."""
        for index, value in enumerate(output if isinstance(output, tuple) else (output,)):
            if isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all():
                count = (~value.isfinite()).sum().item()
                raise InputError(
                    f"Output {index} of {name} ({type(module).__name__}, {tuple(value.shape)}) is the first output "
                    f"that is not finite: {count} of its {value.numel()} values are NaN or infinite."
                )

    return require_finite
