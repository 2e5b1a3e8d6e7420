"""Trouble is named: steps that are not finite, and forecasts that have collapsed."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from ..files import atomic_write, read_json
from ..params import InputError
from .engine import Callback, Trainer
from .params import CollapseParams

NAN_BATCHES = "nan_batches.json"
LOOK_EVERY = 16  # steps between looks at what lies on a GPU


class TrainingFailure(InputError):
    """A training cannot go on with its data or parameters as they are."""


@dataclass
class NonFiniteCheck(Callback):
    """Tells of skipped steps whose loss or gradient was not finite, and ends a training with too many of them.

    A step that a killed training skipped after its last checkpoint is trained and counted again, once.
    """

    folder: Path
    budget: int
    _unseen: list[tuple[int, list[np.ndarray], dict[str, Tensor]]] = field(default_factory=list)
    _found: list[dict[str, object]] = field(default_factory=list)

    def before_fit(self, trainer: Trainer) -> None:
        """Read the steps that were skipped before the checkpoint, and those of other seeds."""
        report = self.folder / NAN_BATCHES
        if report.exists():
            seed, steps = trainer.params.seed, trainer.progress.steps
            self._found = [step for step in read_json(report) if step["seed"] != seed or step["step"] <= steps]
            self._write()

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> None:
        """Look at once on a CPU, and now and then on a GPU, which would have to wait."""
        self._unseen.append((trainer.progress.steps, days, terms))
        if trainer.train_step.device.type == "cpu" or len(self._unseen) >= LOOK_EVERY:
            self._look(trainer)

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Look at the rest."""
        self._look(trainer)

    def at_stop(self, trainer: Trainer) -> None:
        """Check the remaining steps, because the resumed training does not see them."""
        self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
        bad = [seen for seen in self._unseen if seen[2]["skipped"]]
        self._unseen.clear()
        if not bad:
            return
        self._found += [self._describe(trainer, *seen) for seen in bad]
        self._write()
        if len(self._found) > self.budget:
            raise TrainingFailure(
                f"{len(self._found)} steps had a loss or a gradient that is not finite, more than nan_budget "
                f"{self.budget} allows; {self.folder / NAN_BATCHES} names their days, codes and features. "
                "`kedro run --env safe` names the first tensor at fault."
            )

    def _write(self) -> None:
        with atomic_write(self.folder / NAN_BATCHES) as partial:
            partial.write_text(json.dumps(self._found, indent=2))

    def _describe(
        self, trainer: Trainer, step: int, blocks: list[np.ndarray], terms: dict[str, Tensor]
    ) -> dict[str, object]:
        """Say what a step saw: which terms were not finite, which days and codes, and the features at fault."""
        metadata = trainer.train_step.reader.panel.metadata
        read = [trainer.train.reader.read(days) for days in blocks]
        wild = [block.features.isinf() for block in read]
        by_feature = sum(
            (each.flatten(0, 1).sum(0) for each in wild), start=wild[0].new_zeros(len(metadata.features)).long()
        )
        codes = {
            metadata.codes[int(block.stock[place])]
            for block, each in zip(read, wild, strict=True)
            for place in each.flatten(1).any(1).nonzero().flatten()
        }
        return {
            "step": step,
            "seed": trainer.params.seed,
            "processes": trainer.group.size,  # more than one: these are the days of the first
            "phase": trainer.phase.name,
            "not_finite": sorted(name for name, term in terms.items() if not bool(term.isfinite().all())),
            "days": [str(metadata.days[place]) for days in blocks for place in days if place >= 0],
            "codes_with_infinite_features": sorted(codes),
            "infinite_features": {
                metadata.features[place]: int(by_feature[place]) for place in by_feature.nonzero().flatten()
            },
            "largest_finite_feature": max(_largest(block.features) for block in read),
            "largest_finite_target": max(_largest(block.targets) for block in read),
        }


def _largest(values: Tensor) -> float:
    """Find the largest of the finite values, by size; 0 where there is none."""
    finite = values[values.isfinite()].float().abs()
    return float(finite.max()) if len(finite) else 0.0


@dataclass
class CollapseCheck(Callback):
    """Ends a training whose forecasts no longer differ from stock to stock."""

    params: CollapseParams

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Look at the last epochs' spread."""
        last = [epoch["scale"] for epoch in trainer.progress.history][-self.params.epochs :]
        has_collapsed = len(last) == self.params.epochs and not any(scale >= self.params.scale for scale in last)
        if self.params.epochs and has_collapsed:
            raise TrainingFailure(
                f"The forecasts have collapsed: for {self.params.epochs} epochs their spread within a day was "
                f"{scores['scale']:.2g} of the labels', less than training.collapse.scale {self.params.scale:g}. "
                f"Phase {trainer.phase.name}, learning rate {trainer.phase.learning_rate:g}, weight decay "
                f"{trainer.params.weight_decay:g}, losses {trainer.phase.loss.active()}: a lower weight decay, or "
                "losses that ask for spread (ic, variance_floor), may help."
            )
