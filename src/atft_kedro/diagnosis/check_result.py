"""What the checks of the diagnosis share: their result, measures of a phase or series, and advice."""

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field

from ..checks import CheckResult
from .training_log import Floats, PhaseLog, TrainingLog

MIN_EPOCHS = 5  # fewer do not show how much the score of an epoch varies
MAX_LEARNING_RATE = 0.01  # largest advised value; AdamW is usually stable below it
MAX_INCREASE_FACTOR = 10.0  # of a learning rate in one advice
WEIGHT_DECAY_IF_ZERO = 0.1  # the value that is multiplied if the weight decay is 0
STD_PER_MEDIAN_ABSOLUTE_DEVIATION = 1.4826  # for normally distributed values


def _keep_finite(numbers: dict[str, float]) -> dict[str, float]:
    """Drop NaN and infinities, which JSON cannot hold."""
    return {name: value for name, value in numbers.items() if isfinite(value)}


class TrainingCheck(CheckResult):
    """The result of one check of a run, or of one of its seeds."""

    seed: int | None = None
    numbers: Annotated[dict[str, float], BeforeValidator(_keep_finite)] = Field(default_factory=dict)


def find_phase_with_largest(
    phases: Iterable[PhaseLog], measure: Callable[[PhaseLog], float | None]
) -> tuple[PhaseLog, float] | None:
    """Find the phase with the largest measured value, and the value; None if no phase has one.

    If several phases have the largest value, the longest one is chosen.
    """
    measured = [(phase, value) for phase in phases if (value := measure(phase)) is not None]
    return max(measured, key=lambda pair: (pair[1], len(pair[0].step_numbers)), default=None)


def measure_noise(values: Floats) -> float:
    """Estimate the standard deviation of a series' noise; 0 for fewer than MIN_EPOCHS values.

    Without noise, each value is near the mean of both neighbours. For noise of variance 1, the variance of the
    distance to that mean is 1 + 1/4 + 1/4 = 1.5.
    """
    if len(values) < MIN_EPOCHS:
        return 0.0
    distances = values[1:-1] - (values[:-2] + values[2:]) / 2
    return float(STD_PER_MEDIAN_ABSOLUTE_DEVIATION * np.median(np.abs(distances)) / np.sqrt(1.5))


def advise_param(name: str, value: float, current: float) -> str:
    """Advise another value of a parameter, as a command-line option."""
    return f"--params {name}={_format(value)} (now {current:g})"


def advise_phase_param(phase: PhaseLog, name: str, value: float, current: float) -> str:
    """Advise another value of a phase's parameter, which only a configuration file can set."""
    return f"training.phases[{phase.index}].{name}: {_format(value)} (now {current:g})"


def advise_learning_rate(training_log: TrainingLog, phase: PhaseLog, factor: float) -> str:
    """Advise another learning rate, for all phases if this phase has the highest one."""
    current = phase.params.learning_rate
    # If a larger rate is asked for, the advice is never a smaller one than now.
    limit = max(MAX_LEARNING_RATE, current) if factor > 1 else MAX_LEARNING_RATE
    value = min(current * min(factor, MAX_INCREASE_FACTOR), limit)
    if current == max(params.learning_rate for params in training_log.training.curriculum):
        return advise_param("training.learning_rate", value, current)
    configured = training_log.training.phases[phase.index].learning_rate
    return advise_phase_param(phase, "learning_rate", value * configured / current, configured)


def advise_weight_decay(training_log: TrainingLog, factor: float) -> str:
    """Advise another weight decay."""
    current = training_log.training.weight_decay
    return advise_param("training.weight_decay", (current or WEIGHT_DECAY_IF_ZERO) * factor, current)


def _format(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def phase_prefix(training_log: TrainingLog, phase: PhaseLog) -> str:
    """Return a prefix with the phase's name, empty if the run has one phase."""
    return f"phase {phase.params.name}: " if len(training_log.training.phases) > 1 else ""
