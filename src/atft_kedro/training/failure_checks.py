"""Checks for values that are not finite and for collapsed forecasts, and the debug mode."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..advice import advise_run
from ..files import atomic_write, read_json
from ..params import InputError
from .engine import Callback, Trainer
from .params import CollapseParams, TrainingParams

NAN_BATCHES = "nan_batches.json"
GPU_CHECK_STEPS = 16  # steps between two checks on a GPU; a check waits for the GPU


class TrainingFailure(InputError):
    """A training cannot continue with its data or parameters."""


@dataclass
class NonFiniteCheck(Callback):
    """File that lists the steps that were skipped because their loss or gradient was not finite.

    More than ``budget`` skipped steps end the training. A step that a killed training skipped after its last
    checkpoint is trained again, and counted once.
    """

    folder: Path
    budget: int
    _unchecked: list[tuple[int, list[np.ndarray], dict[str, Tensor]]] = field(default_factory=list)
    _skipped: list[dict[str, object]] = field(default_factory=list)

    def before_fit(self, trainer: Trainer) -> None:
        """Read the steps that were skipped before the checkpoint, and those of other seeds."""
        report = self.folder / NAN_BATCHES
        if report.exists():
            seed, steps = trainer.params.seed, trainer.progress.steps_done
            self._skipped = [
                step for step in read_json(report) if step.get("seed") != seed or step.get("step", 0) <= steps
            ]
            self._write()

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> None:
        """Check every step on a CPU, and several at a time on a GPU."""
        self._unchecked.append((trainer.progress.steps_done, days, terms))
        if trainer.train_step.device.type == "cpu" or len(self._unchecked) >= GPU_CHECK_STEPS:
            self._check(trainer)

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Check the remaining steps."""
        self._check(trainer)

    def on_interrupt(self, trainer: Trainer) -> None:
        """Check the remaining steps, because the resumed training does not see them."""
        self._check(trainer)

    def _check(self, trainer: Trainer) -> None:
        skipped = [step for step in self._unchecked if step[2]["skipped"]]
        self._unchecked.clear()
        if not skipped:
            return
        self._skipped += [_describe(trainer, *step) for step in skipped]
        self._write()
        if len(self._skipped) > self.budget:
            raise TrainingFailure(
                f"{len(self._skipped)} steps had a loss or gradient that is not finite, more than nan_budget "
                f"{self.budget} allows; {self.folder / NAN_BATCHES} lists their days, codes and features. "
                f"`{advise_run(mode='safe')}` names the first tensor that is not finite."
            )

    def _write(self) -> None:
        with atomic_write(self.folder / NAN_BATCHES) as partial:
            partial.write_text(json.dumps(self._skipped, indent=2))


def _describe(trainer: Trainer, step: int, days: list[np.ndarray], terms: dict[str, Tensor]) -> dict[str, object]:
    """Describe a skipped step: its losses that are not finite, its days, and infinite or large inputs."""
    metadata = trainer.train_step.reader.panel.metadata
    blocks = [trainer.train.reader.read(block_days) for block_days in days]
    infinite = [block.features.isinf() for block in blocks]  # (stock, step, feature)
    by_feature = sum(
        (mask.flatten(0, 1).sum(0) for mask in infinite), start=infinite[0].new_zeros(len(metadata.features)).long()
    )
    codes = {
        metadata.codes[int(block.stock[index])]
        for block, mask in zip(blocks, infinite, strict=True)
        for index in mask.flatten(1).any(1).nonzero().flatten()
    }
    return {
        "step": step,
        "seed": trainer.params.seed,
        "processes": trainer.group.size,  # with several, days and inputs are those of the first process
        "phase": trainer.phase.name,
        "not_finite": sorted(name for name, term in terms.items() if not bool(term.isfinite().all())),
        "days": [str(metadata.days[day]) for block_days in days for day in block_days if day >= 0],
        "codes_with_infinite_features": sorted(codes),
        "infinite_features": {
            metadata.features[index]: int(by_feature[index]) for index in by_feature.nonzero().flatten()
        },
        "largest_finite_feature": max(_largest(block.features) for block in blocks),
        "largest_finite_target": max(_largest(block.targets) for block in blocks),
    }


def _largest(values: Tensor) -> float:
    """Return the largest absolute finite value; 0 if no value is finite."""
    finite = values[values.isfinite()].float().abs()
    return float(finite.max()) if len(finite) else 0.0


@dataclass
class CollapseCheck(Callback):
    """Check that ends a training whose forecasts no longer differ between stocks."""

    params: CollapseParams

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Check the scale of the last epochs."""
        last = [epoch["scale"] for epoch in trainer.progress.history][-self.params.epochs :]
        has_collapsed = len(last) == self.params.epochs and not any(scale >= self.params.scale for scale in last)
        if self.params.epochs and has_collapsed:
            raise TrainingFailure(
                f"The forecasts have collapsed: for {self.params.epochs} epochs their standard deviation within a "
                f"day was {scores['scale']:.2g} of the labels', less than training.collapse.scale "
                f"{self.params.scale:g}. Phase {trainer.phase.name}, learning rate {trainer.phase.learning_rate:g}, "
                f"weight decay {trainer.params.weight_decay:g}, losses {trainer.phase.loss.positive_weights()}: a "
                "lower weight decay, or losses that reward dispersion (ic, variance_floor), may help."
            )


def set_deterministic_workspace(training: TrainingParams) -> None:
    """Set CUBLAS_WORKSPACE_CONFIG for a deterministic training, if it is not set yet.

    Call it before CUDA starts.
    """
    if training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # noqa: TID251  (of cuBLAS, not of this project)


@contextmanager
def debug_mode(network: nn.Module, training: TrainingParams) -> Iterator[None]:
    """Enable deterministic algorithms and anomaly detection as configured, until the exit.

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
