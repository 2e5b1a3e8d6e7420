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
    """Where a training stands."""

    phase: int = 0
    epoch: int = 0  # of the phase
    step: int = 0  # of the epoch
    steps: int = 0  # of the whole training
    best: float | None = None  # score of the run's best weights; NaN where none is defined, None before the first
    best_epoch: int = 0  # of all epochs, from 1 on
    best_weights: str = ""  # which weights these are
    modules: list[ModuleName] = field(default_factory=list)  # that were switched on when it was best
    best_of_phase: float | None = None
    since_best: int = 0  # epochs of this phase since its own best
    rate: float = 1.0  # what `plateau` has left of the learning rate
    averaged: int = 0  # epochs in the average of the last ones
    loss: float = 0.0  # on average over the last epoch's steps
    history: list[dict[str, float]] = field(default_factory=list)


class Schedule:
    """The planned epochs and steps of a training, and its progress."""

    params: TrainingParams
    progress: Progress
    epochs: list[int]  # of each phase
    steps: list[int]  # of an epoch, by phase

    @property
    def total_steps(self) -> int:
        """Count the steps of all phases, none stopped early."""
        return sum(map(operator.mul, self.epochs, self.steps))

    @property
    def steps_begun(self) -> int:
        """Count the steps before the next one, as if no phase had stopped early."""
        place = self.progress.phase
        before = sum(map(operator.mul, self.epochs[:place], self.steps))
        return before + self.progress.epoch * self.steps[place] + self.progress.step

    @property
    def epochs_begun(self) -> int:
        """Count the epochs before this one, as if no phase had stopped early."""
        return sum(self.epochs[: self.progress.phase]) + self.progress.epoch

    @property
    def phase(self) -> PhaseParams:
        """Return the current phase."""
        return self.params.curriculum[self.progress.phase]


def rate_at(phase: PhaseParams, done: float) -> float:
    """Say which part of the learning rate holds when a share of the phase's steps is done."""
    if phase.scheduler != "cosine":
        return 1.0
    if done < phase.warmup:
        return (done + 1e-3) / (phase.warmup + 1e-3)
    gone = (done - phase.warmup) / (1 - phase.warmup)
    return 0.1 + 0.9 * (1 + math.cos(math.pi * min(gone, 1.0))) / 2


def follow_phase(progress: Progress, score: float, phase: PhaseParams, params: PlateauParams) -> Progress:
    """Count the epochs since the phase's own best score, and lower the rate where its scheduler is ``plateau``."""
    if is_better(score, progress.best_of_phase):
        return replace(progress, best_of_phase=score, since_best=0)
    since, rate = progress.since_best + 1, progress.rate
    if phase.scheduler == "plateau" and since % params.patience == 0:
        rate = max(rate * params.factor, min(rate, params.min_learning_rate / phase.learning_rate))
    return replace(progress, since_best=since, rate=rate)
