"""The planned phases, epochs and steps of a training, and its progress."""

import operator

from .params import TrainingParams
from .phases import PhaseParams
from .state import Progress


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
