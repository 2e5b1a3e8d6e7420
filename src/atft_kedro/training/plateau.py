"""Lower the learning rate on a plateau, and count epochs for early stopping."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from ..params import Params
from .phases import PhaseParams
from .selection import is_better
from .state import Progress


class PlateauParams(Params):
    """How the scheduler ``plateau`` lowers the learning rate.

    After each ``patience`` epochs without a new best score within the phase the rate is multiplied by ``factor``, down
    to ``min_learning_rate``.
    """

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    patience: Annotated[int, Field(gt=0)] = 10
    min_learning_rate: Annotated[float, Field(ge=0)] = 1e-6


def follow_phase(progress: Progress, score: float, phase: PhaseParams, params: PlateauParams) -> Progress:
    """Count the epochs since the phase's own best score, and lower the rate where its scheduler is ``plateau``."""
    if is_better(score, progress.best_of_phase):
        return replace(progress, best_of_phase=score, since_best=0)
    since, rate = progress.since_best + 1, progress.rate
    if phase.scheduler == "plateau" and since % params.patience == 0:
        rate = max(rate * params.factor, min(rate, params.min_learning_rate / phase.learning_rate))
    return replace(progress, since_best=since, rate=rate)
