"""The planned epochs and steps of a training, its progress, and its learning rate."""

import math
import operator
from dataclasses import dataclass, field, replace

from ..network.params import ModuleName
from .params import TrainingParams
from .phases import PhaseParams, PlateauParams
from .selection import is_better

WARMUP_OFFSET = 1e-3  # the warm-up starts a little above zero, so that the first step changes the weights


@dataclass
class Progress:
    """The progress of a training, which every checkpoint stores."""

    phase: int = 0  # index of the current phase
    epoch: int = 0  # finished epochs of the phase
    step_of_epoch: int = 0  # finished steps of the current epoch
    steps_done: int = 0  # finished steps of the whole training
    best: float | None = None  # best score so far; NaN while all are undefined, None before the first epoch ends
    best_epoch: int = 0  # number of the epoch of the best score, counted over all phases from 1 on; 0: none yet
    best_weights: str = ""  # description of the best weights, such as "averaged weights, epoch 3"
    best_modules: list[ModuleName] = field(default_factory=list)  # modules that were switched on for the best weights
    best_of_phase: float | None = None  # best score of the current phase
    epochs_since_best: int = 0  # epochs since the best score of the phase
    rate_factor: float = 1.0  # factor of the learning rate, lowered by the scheduler `plateau`
    swa_epochs: int = 0  # number of epochs in the mean of the last epochs' weights
    train_loss: float = 0.0  # mean loss of the steps of the last epoch
    history: list[dict[str, float]] = field(default_factory=list)  # validation scores of each epoch


class Schedule:
    """Base of `Trainer`, which sets the attributes: properties computed from the plan and the progress."""

    params: TrainingParams
    progress: Progress
    epochs_per_phase: list[int]
    steps_per_epoch: list[int]  # for each phase

    @property
    def phase(self) -> PhaseParams:
        """Return the current phase."""
        return self.params.curriculum[self.progress.phase]

    @property
    def total_steps(self) -> int:
        """Count the steps of all phases, as if no phase stopped early."""
        return sum(map(operator.mul, self.epochs_per_phase, self.steps_per_epoch))

    @property
    def planned_steps_done(self) -> int:
        """Count the planned steps of earlier phases and the finished steps of this one."""
        phase = self.progress.phase
        earlier_phases = sum(map(operator.mul, self.epochs_per_phase[:phase], self.steps_per_epoch))
        return earlier_phases + self.progress.epoch * self.steps_per_epoch[phase] + self.progress.step_of_epoch

    @property
    def planned_epochs_done(self) -> int:
        """Count the planned epochs of earlier phases and the finished epochs of this one."""
        return sum(self.epochs_per_phase[: self.progress.phase]) + self.progress.epoch

    @property
    def has_ended_early(self) -> bool:
        """Return whether the phase has had no new best score for ``patience`` epochs."""
        return self.phase.patience is not None and self.progress.epochs_since_best >= self.phase.patience

    @property
    def is_done(self) -> bool:
        """Return whether the last phase has ended, after all its epochs or by early stopping."""
        is_last = self.progress.phase == len(self.epochs_per_phase) - 1
        return is_last and (self.progress.epoch >= self.epochs_per_phase[-1] or self.has_ended_early)


def learning_rate_factor(phase: PhaseParams, share_done: float) -> float:
    """Compute the scheduler's factor of the learning rate after a share of the phase's steps."""
    if phase.scheduler != "cosine":
        return 1.0
    if share_done < phase.warmup:
        return (share_done + WARMUP_OFFSET) / (phase.warmup + WARMUP_OFFSET)
    decayed = (share_done - phase.warmup) / (1 - phase.warmup)
    return 0.1 + 0.9 * (1 + math.cos(math.pi * min(decayed, 1.0))) / 2  # from 1 to 0.1


def start_phase(progress: Progress, phase: int) -> Progress:
    """Reset all progress that belongs to one phase."""
    return replace(
        progress, phase=phase, epoch=0, step_of_epoch=0, best_of_phase=None, epochs_since_best=0, rate_factor=1.0
    )


def update_after_epoch(progress: Progress, score: float, phase: PhaseParams, plateau: PlateauParams) -> Progress:
    """Update the phase's best score, the epochs since it, and the factor of the scheduler ``plateau``."""
    if is_better(score, progress.best_of_phase):
        return replace(progress, best_of_phase=score, epochs_since_best=0)
    since, factor = progress.epochs_since_best + 1, progress.rate_factor
    if phase.scheduler == "plateau" and since % plateau.patience == 0:
        lowest = min(factor, plateau.min_learning_rate / phase.learning_rate)  # the minimum never raises the factor
        factor = max(factor * plateau.factor, lowest)
    return replace(progress, epochs_since_best=since, rate_factor=factor)
