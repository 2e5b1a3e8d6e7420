"""The phases of a training: their parameters, the progress through them, and the learning rate."""

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import Field

from ..loss_weights import LossWeights
from ..network.params import MODULES, ModuleName
from ..params import InputError, Params
from .augmentation import AugmentParams

Scheduler = Literal["constant", "cosine", "plateau"]
Fraction = Annotated[float, Field(ge=0, lt=1)]

WARMUP_OFFSET = 1e-3  # so that the learning rate of the first step is not zero


class PhaseParams(Params):
    """One phase of a training.

    ``modules`` are the optional modules that are switched on; ``freeze`` names modules of the network whose weights do
    not change. With the scheduler ``cosine`` the learning rate rises during the share ``warmup`` of the steps, then
    falls to 10 %; ``plateau`` uses the parameters in ``training.plateau``; ``constant`` does not change it. After
    ``patience`` epochs without a new best score of the phase the next phase begins; with null all epochs are trained.
    Without ``horizon_weights`` a horizon of h days has weight 1/h, because its labels overlap: each daily return is in
    h labels. ``newest_days`` limits the phase to the last train days. ``clip_norm`` is the largest norm of a step's
    gradient. ``start_from`` chooses the weights at the phase's start: those of the last step, or the best so far.
    ``gradient_penalty`` is the weight of the squared gradient of the forecasts with respect to the features.
    """

    name: str
    epochs: Annotated[int, Field(gt=0)]
    learning_rate: Annotated[float, Field(gt=0)]
    newest_days: Annotated[int, Field(gt=0)] | None = None
    modules: tuple[ModuleName, ...] = ()
    freeze: tuple[str, ...] = ()
    loss: LossWeights = LossWeights(mse=1)
    horizon_weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    scheduler: Scheduler = "cosine"
    warmup: Fraction = 0.1
    start_from: Literal["last", "best"] = "last"
    patience: Annotated[int, Field(gt=0)] | None = None
    augment: AugmentParams = AugmentParams()
    gradient_penalty: Annotated[float, Field(ge=0)] = 0.0

    def weigh_horizons(self, horizons: tuple[int, ...]) -> list[float]:
        """Compute the weight of each horizon in the losses."""
        if self.horizon_weights is None:
            return [1 / horizon for horizon in horizons]
        if len(self.horizon_weights) != len(horizons):
            raise InputError(
                f"training.phases: {self.name} has {len(self.horizon_weights)} horizon_weights, but there are "
                f"{len(horizons)} horizons: {horizons}."
            )
        if not sum(self.horizon_weights):
            raise InputError(f"training.phases: {self.name} has no positive weight in horizon_weights.")
        return list(self.horizon_weights)

    def require_trainable(self, module_names: Iterable[str]) -> None:
        """Refuse to freeze unknown modules of the network, or all that are switched on."""
        known = list(module_names)
        inactive: set[str] = {module for module in MODULES if module not in self.modules}
        if "fan" not in self.modules:
            inactive.add("trend_projection")  # it projects the trend that only `fan` computes
        if not set(known) - set(self.freeze) - inactive:
            raise InputError(
                f"training.phases: {self.name} freezes all modules that are switched on: nothing is left to train."
            )
        unknown = [name for name in self.freeze if name not in known]
        if unknown:
            raise InputError(f"training.phases: {self.name} freezes {unknown}; the network has {known}.")


class PlateauParams(Params):
    """Parameters of the scheduler ``plateau``.

    After every ``patience`` epochs without a new best score of the phase, the learning rate is multiplied by
    ``factor``, down to ``min_learning_rate``.
    """

    factor: Annotated[float, Field(gt=0, lt=1)]
    patience: Annotated[int, Field(gt=0)]
    min_learning_rate: Annotated[float, Field(ge=0)]


def distribute_epochs(epochs: Sequence[int], total: int | None) -> list[int]:
    """Distribute ``total`` epochs over phases in proportion to ``epochs``; None keeps these.

    The longest phases get their epochs first; short phases may get none.
    """
    if total is None:
        return list(epochs)
    exact = [total * configured / sum(epochs) for configured in epochs]
    shares = [0] * len(epochs)
    for _ in range(total):
        largest_deficit = max(range(len(epochs)), key=lambda index: exact[index] - shares[index])
        shares[largest_deficit] += 1
    return shares


@dataclass
class Progress:
    """The progress of a training, which every checkpoint stores."""

    phase: int = 0  # index of the current phase
    epoch: int = 0  # finished epochs of the phase
    step_of_epoch: int = 0  # finished steps of the current epoch
    steps_done: int = 0  # finished steps of the whole training
    best: float | None = None  # best score so far; NaN while all are undefined, None before the first epoch ends
    best_epoch: int = 0  # number of the epoch of the best score, counted over all phases from 1 on; 0: none yet
    best_weights: str = ""  # description of the best weights, such as "EMA weights, epoch 3"
    best_modules: list[ModuleName] = field(default_factory=list)  # modules that were switched on for the best weights
    best_of_phase: float | None = None  # best score of the current phase
    epochs_since_best: int = 0  # epochs since the best score of the phase
    rate_factor: float = 1.0  # factor of the learning rate, lowered by the scheduler `plateau`
    swa_epochs: int = 0  # number of epochs in the mean of the last epochs' weights
    train_loss: float = 0.0  # mean loss of the steps of the last epoch
    history: list[dict[str, float]] = field(default_factory=list)  # validation scores of each epoch


class Schedule:
    """Base of `Trainer`: properties that are computed from the plan and the progress."""

    phases: tuple[PhaseParams, ...]
    progress: Progress
    epochs_per_phase: list[int]
    steps_per_epoch: list[int]  # for each phase

    @property
    def phase(self) -> PhaseParams:
        """Return the current phase."""
        return self.phases[self.progress.phase]

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
    """Update the phase's best score, the epochs since it, and the rate of ``plateau``."""
    if is_better(score, progress.best_of_phase):
        return replace(progress, best_of_phase=score, epochs_since_best=0)
    since, factor = progress.epochs_since_best + 1, progress.rate_factor
    if phase.scheduler == "plateau" and since % plateau.patience == 0:
        lowest = min(factor, plateau.min_learning_rate / phase.learning_rate)  # the minimum never raises the factor
        factor = max(factor * plateau.factor, lowest)
    return replace(progress, epochs_since_best=since, rate_factor=factor)


def is_better(score: float, best: float | None) -> bool:
    """Return whether a score beats the best one; any score beats an undefined one or none."""
    return best is None or math.isnan(best) or score > best
