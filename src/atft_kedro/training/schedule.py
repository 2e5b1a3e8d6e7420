"""The planned phases, epochs and steps of a training, and its progress."""

import math
import operator
from dataclasses import dataclass, field, replace

from ..network.params import ModuleName
from .params import TrainingParams
from .phases import PhaseParams, PlateauParams
from .selection import is_better


@dataclass
class Progress:
    """The progress of a training, part of its checkpoints."""

    phase: int = 0
    epoch: int = 0  # of the phase
    step: int = 0  # of the epoch
    steps: int = 0  # of the whole training
    best: float | None = None  # score of the best weights; NaN where none is defined, None before the first
    best_epoch: int = 0  # counted over all phases, from 1 on
    best_weights: str = ""  # name of these weights
    best_modules: list[ModuleName] = field(default_factory=list)  # that were switched on
    best_of_phase: float | None = None
    epochs_since_best: int = 0  # of the phase
    rate_factor: float = 1.0  # of the scheduler `plateau`
    swa_epochs: int = 0  # in the average of the last epochs
    train_loss: float = 0.0  # mean over the steps of the last epoch
    history: list[dict[str, float]] = field(default_factory=list)  # validation scores of each epoch


class Schedule:
    """The planned epochs and steps of a training, and its progress."""

    params: TrainingParams
    progress: Progress
    epochs: list[int]  # of each phase
    steps: list[int]  # of an epoch, by phase

    @property
    def phase(self) -> PhaseParams:
        """Return the current phase."""
        return self.params.curriculum[self.progress.phase]

    @property
    def total_steps(self) -> int:
        """Count the steps of all phases, without early stopping."""
        return sum(map(operator.mul, self.epochs, self.steps))

    @property
    def steps_before(self) -> int:
        """Count the planned steps before the next one, without early stopping."""
        phase = self.progress.phase
        before = sum(map(operator.mul, self.epochs[:phase], self.steps))
        return before + self.progress.epoch * self.steps[phase] + self.progress.step

    @property
    def epochs_before(self) -> int:
        """Count the planned epochs before this one, without early stopping."""
        return sum(self.epochs[: self.progress.phase]) + self.progress.epoch

    @property
    def is_out_of_patience(self) -> bool:
        """Return whether the phase has had no new best score for ``patience`` epochs."""
        return self.phase.patience is not None and self.progress.epochs_since_best >= self.phase.patience

    @property
    def is_done(self) -> bool:
        """Return whether the last phase has ended, at its last epoch or early."""
        is_last = self.progress.phase == len(self.epochs) - 1
        return is_last and (self.progress.epoch >= self.epochs[-1] or self.is_out_of_patience)


def scheduled_rate(phase: PhaseParams, done: float) -> float:
    """Compute the factor of the learning rate after a share of the phase's steps."""
    if phase.scheduler != "cosine":
        return 1.0
    if done < phase.warmup:
        return (done + 1e-3) / (phase.warmup + 1e-3)
    decayed = (done - phase.warmup) / (1 - phase.warmup)
    return 0.1 + 0.9 * (1 + math.cos(math.pi * min(decayed, 1.0))) / 2


def update_patience(progress: Progress, score: float, phase: PhaseParams, params: PlateauParams) -> Progress:
    """Count the epochs since the phase's best score, and lower the rate on a plateau."""
    if is_better(score, progress.best_of_phase):
        return replace(progress, best_of_phase=score, epochs_since_best=0)
    since, factor = progress.epochs_since_best + 1, progress.rate_factor
    if phase.scheduler == "plateau" and since % params.patience == 0:
        factor = max(factor * params.factor, min(factor, params.min_learning_rate / phase.learning_rate))
    return replace(progress, epochs_since_best=since, rate_factor=factor)
