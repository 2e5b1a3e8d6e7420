"""What is wanted of a run, and whether it came."""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from ..params import Params
from ..schema import HorizonKey
from .score import GoalResult, HorizonScore

ByHorizon = dict[HorizonKey, float | None]  # null: no goal
Split = Mapping[str, Mapping[int, HorizonScore]]


class GoalParams(Params):
    """What a run is measured by on its test days, each horizon by its name: ``h1``, ``h5`` and so on.

    ``ic_ir`` is the daily IC's mean over its deviation.
    ``train_gap`` is the share of the train days' rank IC that is lost on the validation days, over the shortest
    horizon; ``gradient_norm`` the largest before clipping.
    """

    ic: ByHorizon = Field(default={1: 0.15})
    ic_ir: ByHorizon = Field(default_factory=dict)
    rank_ic: ByHorizon = Field(default={1: 0.18, 5: 0.15})
    net_sharpe: ByHorizon = Field(default={1: 0.849})
    train_gap: float | None = 0.2
    gradient_norm: Annotated[float, Field(gt=0)] | None = 10.0


def check_goals(split: Split, gradient: float | None, params: GoalParams) -> dict[str, GoalResult]:
    """Put each target beside what was reached; horizons that were not forecast are reached by nobody."""
    goals = dict(_least(split.get("test", {}), params))
    if params.train_gap is not None:
        reached, error = measure_gap(split)
        goals["train_gap"] = GoalResult(wanted=params.train_gap, is_least=False, reached=reached, error=error)
    if params.gradient_norm is not None:
        goals["gradient_norm"] = GoalResult(wanted=params.gradient_norm, is_least=False, reached=gradient)
    return goals


def _least(tested: Mapping[int, HorizonScore], params: GoalParams) -> Iterator[tuple[str, GoalResult]]:
    for name in ("ic", "ic_ir", "rank_ic", "net_sharpe"):
        for horizon, wanted in getattr(params, name).items():
            reached, error = _read(tested[horizon], name) if horizon in tested else (None, None)
            if wanted is not None:
                yield f"{name}_h{horizon}", GoalResult(wanted=wanted, is_least=True, reached=reached, error=error)


def _read(score: HorizonScore, name: str) -> tuple[float | None, float | None]:
    """Read what was reached, and its standard error where one is known."""
    if name == "net_sharpe":
        return score.long_short.net_sharpe if score.long_short else None, None
    if name == "ic_ir":
        return score.ic.ir, None
    mean = {"ic": score.ic, "rank_ic": score.rank_ic}[name]
    return mean.mean, mean.se


def measure_gap(split: Split) -> tuple[float | None, float | None]:
    """Compute which share of the train days' rank IC is lost on the validation days, and its standard error.

    The error is that of a ratio of two independent means, to first order.
    """
    if not {"train", "validation"} <= split.keys():
        return None, None
    shortest = next(iter(split["train"]))
    train, validation = (split[part][shortest].rank_ic for part in ("train", "validation"))
    if not train.mean or train.mean < 0 or validation.mean is None:
        return None, None
    ratio = validation.mean / train.mean
    if train.se is None or validation.se is None:
        return 1 - ratio, None
    return 1 - ratio, math.hypot(validation.se, ratio * train.se) / train.mean
