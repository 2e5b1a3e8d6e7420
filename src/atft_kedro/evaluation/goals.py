"""Goals for the scores of a run, and whether they are met."""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from ..params import Params
from ..schema import HorizonKey
from .score import GoalResult, HorizonScore

GoalByHorizon = dict[HorizonKey, float | None]  # null: no goal
ScoresBySplit = Mapping[str, Mapping[int, HorizonScore]]  # by split and horizon


class GoalParams(Params):
    """Goals: minimums of test scores by horizon, and two maximums.

    ``ic_ir`` is the mean of the daily IC divided by its standard deviation. The maximums are ``train_gap`` and
    ``gradient_norm``. ``train_gap`` is the share of the rank IC on the last train days that is lost on the validation
    days, over the shortest horizon. ``gradient_norm`` is the largest gradient norm of a step before clipping.
    """

    ic: GoalByHorizon
    ic_ir: GoalByHorizon
    rank_ic: GoalByHorizon
    net_sharpe: GoalByHorizon
    train_gap: float | None
    gradient_norm: Annotated[float, Field(gt=0)] | None


def check_goals(scores: ScoresBySplit, max_gradient_norm: float | None, params: GoalParams) -> dict[str, GoalResult]:
    """Pair each goal with the value that the run reached.

    The value is None for a horizon without forecasts and for an unknown score.
    """
    results = dict(_list_test_goals(scores.get("test", {}), params))
    if params.train_gap is not None:
        gap, se = measure_train_validation_gap(scores)
        results["train_gap"] = GoalResult(wanted=params.train_gap, is_minimum=False, value=gap, se=se)
    if params.gradient_norm is not None:
        results["gradient_norm"] = GoalResult(wanted=params.gradient_norm, is_minimum=False, value=max_gradient_norm)
    return results


def _list_test_goals(scores: Mapping[int, HorizonScore], params: GoalParams) -> Iterator[tuple[str, GoalResult]]:
    for name in ("ic", "ic_ir", "rank_ic", "net_sharpe"):
        for horizon, wanted in getattr(params, name).items():
            if wanted is not None:
                value, se = _read_value(scores[horizon], name) if horizon in scores else (None, None)
                yield f"{name}_h{horizon}", GoalResult(wanted=wanted, is_minimum=True, value=value, se=se)


def _read_value(score: HorizonScore, name: str) -> tuple[float | None, float | None]:
    """Read a metric and its standard error, which ic_ir and net_sharpe do not have."""
    return {
        "ic": (score.ic.mean, score.ic.se),
        "rank_ic": (score.rank_ic.mean, score.rank_ic.se),
        "ic_ir": (score.ic.ir, None),
        "net_sharpe": (score.long_short.net_sharpe if score.long_short else None, None),
    }[name]


def measure_train_validation_gap(scores: ScoresBySplit) -> tuple[float | None, float | None]:
    """Compute the share of the train rank IC that is lost on the validation days.

    Returns the share and its standard error (delta method, independent means). Both are None if a split is not scored,
    or if the train rank IC is not positive. The train scores are of the last train days, as many as validation days.
    """
    if not {"train", "validation"} <= scores.keys():
        return None, None
    shortest = min(scores["train"])
    train, validation = (scores[split][shortest].rank_ic for split in ("train", "validation"))
    if not train.mean or train.mean < 0 or validation.mean is None:
        return None, None
    ratio = validation.mean / train.mean
    if train.se is None or validation.se is None:
        return 1 - ratio, None
    return 1 - ratio, math.hypot(validation.se, ratio * train.se) / train.mean
