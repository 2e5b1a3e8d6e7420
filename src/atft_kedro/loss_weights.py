"""Weights of the losses, those of plug-ins too, and the weighted sum."""

import re
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Annotated

import torch
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from torch import Tensor

from .losses import LOSSES, LossFunction, LossInputs
from .params import Params
from .plugins import list_installed, load_plugin

ALIASES = {"rankic": "rank_ic", "cs_ic": "ic"}  # other loss names accepted in the text form of the weights

Weight = Annotated[float, Field(ge=0)]

_declared: set[str] = set()  # names in `training.losses.extra`, of any training that this process has read


class ExtraLosses(Params):
    """Losses of plug-ins: the name under which each is weighed, and ``module:object``."""

    extra: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _declare(self) -> "ExtraLosses":
        if known := sorted({*self.extra} & {*LOSSES, *ALIASES}):
            raise ValueError(f"{known[0]} is a loss of this project: choose another name")
        _declared.update(self.extra)
        return self

    def load(self, names: Iterable[str]) -> dict[str, LossFunction]:
        """Load the losses of these names."""
        return {
            name: LOSSES.get(name) or load_plugin(self.extra.get(name, name), "losses", FunctionType) for name in names
        }


def is_extra_loss(name: str) -> bool:
    """Return whether a training names a plug-in so, or an installed entry point has the name."""
    return name not in LossWeights.model_fields and name in {*_declared, *list_installed("losses")}


class LossWeights(Params):
    """Weight of each loss; an unknown loss is an error. ``extra`` are those of plug-ins."""

    mse: Weight = 0.0
    huber: Weight = 0.0
    ic: Weight = 0.0
    rank_ic: Weight = 0.0
    sharpe: Weight = 0.0
    list_net: Weight = 0.0
    rank_net: Weight = 0.0
    quantile: Weight = 0.0
    turnover: Weight = 0.0
    exposure: Weight = 0.0
    variance_floor: Weight = 0.0
    extra: dict[str, Weight] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _parse_text(cls, value: object) -> object:
        """Accept ``"mse:0.6,rankic:0.2"``; also spaces for commas, as ``--params`` splits at commas."""
        if isinstance(value, str):
            items = re.sub(r"\s*:\s*", ":", value).replace(",", " ").split()
            value = {ALIASES.get(name, name): weight for name, _, weight in (item.partition(":") for item in items)}
        if not isinstance(value, Mapping):
            return value
        extra = {name: weight for name, weight in value.items() if is_extra_loss(name)}
        return {name: weight for name, weight in value.items() if name not in extra} | {"extra": extra}

    @model_serializer(mode="wrap")
    def _write_flat(self, write: SerializerFunctionWrapHandler) -> dict[str, float]:
        """Write the losses of plug-ins next to the others, as they are read."""
        weights = write(self)
        extra = weights.pop("extra")
        return {**weights, **extra}

    @model_validator(mode="after")
    def _require_a_loss(self) -> "LossWeights":
        if not self.positive_weights():
            raise ValueError("no loss has a positive weight")
        return self

    def positive_weights(self) -> dict[str, float]:
        """Map the losses with a positive weight to their weights."""
        return {name: weight for name, weight in self.model_dump().items() if weight > 0}


def combine_losses(
    inputs: LossInputs, weights: LossWeights, horizon_weights: Tensor, functions: Mapping[str, LossFunction] = LOSSES
) -> dict[str, Tensor]:
    """Compute ``loss``, the weighted sum of all active losses, and each of them unweighted."""
    share = horizon_weights / horizon_weights.sum()
    terms = {name: (functions[name](inputs) * share).sum() for name in weights.positive_weights()}
    total = torch.stack([weight * terms[name] for name, weight in weights.positive_weights().items()]).sum()
    return {"loss": total, **terms}


def combine_losses_per_horizon(
    inputs: LossInputs, weights: LossWeights, functions: Mapping[str, LossFunction] = LOSSES
) -> Tensor:
    """Compute the weighted sum of the active losses for each horizon (horizon,)."""
    return torch.stack([weight * functions[name](inputs) for name, weight in weights.positive_weights().items()]).sum(0)


assert {*LOSSES, "extra"} == set(LossWeights.model_fields)
