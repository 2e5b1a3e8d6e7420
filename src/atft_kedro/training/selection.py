"""The validation score that chooses the best weights and ends phases early."""

import re
from collections.abc import Mapping
from math import isnan
from typing import Annotated, Self

from pydantic import Field, model_validator

from ..params import InputError, Params

NAMES = {"rank_ic": "rank IC", "ic": "IC", "net_sharpe": "net Sharpe ratio", "hit_rate": "hit rate", "loss": "loss"}
METRIC = rf"({'|'.join(NAMES)})(_(?P<horizon>[1-9]\d*)d)?"


class SelectionParams(Params):
    """The validation score that chooses the best weights.

    Plateaus, patience and searches use the same score. ``metric`` is ``rank_ic``, ``ic``, ``net_sharpe``,
    ``hit_rate`` or ``loss``, averaged over the horizons, or that of one horizon, as in ``rank_ic_5d``.
    ``horizon_weights`` are the weights of the average; with null a horizon of h days has weight 1/h, because its labels
    overlap: each daily return is in h labels. The net Sharpe ratio pays ``cost_bp`` basis points for each trade.
    """

    metric: Annotated[str, Field(pattern=rf"^{METRIC}$")]
    horizon_weights: dict[int, Annotated[float, Field(ge=0)]] | None
    cost_bp: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _require_a_weight(self) -> Self:
        if self.horizon_weights is not None and not sum(self.horizon_weights.values()):
            raise ValueError("horizon_weights: no horizon has a positive weight")
        return self

    @property
    def is_loss(self) -> bool:
        """Return whether lower is better."""
        return self.metric.startswith("loss")

    @property
    def no_skill(self) -> float | None:
        """Return the score of forecasts without skill; None for a loss, which has no such score."""
        return None if self.is_loss else 0.5 if self.metric.startswith("hit_rate") else 0.0

    @property
    def horizon(self) -> int | None:
        """Return the horizon that the metric names; None if it averages over the horizons."""
        match = re.fullmatch(METRIC, self.metric)
        assert match is not None
        return int(match["horizon"]) if match["horizon"] else None

    @property
    def label(self) -> str:
        """Return the name of the score; for a loss "negative …", because a higher score is better."""
        name = NAMES[self.metric.removesuffix(f"_{self.horizon}d")]
        return f"{'negative ' * self.is_loss}{name}{f' over {self.horizon} d' if self.horizon else ''}"

    def score(self, scores: Mapping[str, float]) -> float:
        """Select the score from an epoch's scores, higher is better; NaN where it is undefined."""
        value = scores[self.metric]
        return -value if self.is_loss else value

    def weigh_horizons(self, horizons: tuple[int, ...]) -> list[float]:
        """Compute the weight of each horizon; refuse horizons that the network does not forecast."""
        unknown = {*(self.horizon_weights or ()), *([self.horizon] if self.horizon else [])} - set(horizons)
        if unknown:
            raise InputError(f"training.selection: the network forecasts no {sorted(unknown)}, only {horizons}.")
        if self.horizon_weights is None:
            return [1 / horizon for horizon in horizons]
        return [self.horizon_weights.get(horizon, 0.0) for horizon in horizons]


def is_better(score: float, best: float | None) -> bool:
    """Return whether a score beats the best one; any score beats an undefined one or none."""
    return best is None or isnan(best) or score > best
