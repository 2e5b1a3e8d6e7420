"""Who becomes a neighbour: the nearest by correlation, by sector and size, or by chance."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from ..params import Params
from .correlation import correlate

STOCKS_AT_ONCE = 2048  # rows of the correlation matrix that are held together
NEVER = -torch.inf


class GraphParams(Params):
    """How neighbours are chosen.

    ``correlation`` ranks by correlation over ``window`` days, the newest weighing most; ``sector`` takes the
    stocks of the same sector that are nearest in size; ``random`` draws, the control for any claim about graphs.
    """

    kind: Literal["correlation", "sector", "random"] = "correlation"
    neighbours: Annotated[int, Field(gt=0)] = 10
    window: Annotated[int, Field(gt=2)] = 252
    half_life: Annotated[float, Field(gt=0)] = 60.0
    min_observations: Annotated[int, Field(gt=2)] = 60
    refresh_days: Annotated[int, Field(gt=0)] = 5
    sign: Literal["absolute", "signed"] = "absolute"
    floor: Annotated[float, Field(ge=0, lt=1)] = 0.05
    shrinkage: Annotated[float, Field(ge=0, lt=1)] = 0.1
    seed: Annotated[int, Field(ge=0)] = 7

    @model_validator(mode="after")
    def _window_holds_what_is_asked(self) -> Self:
        if self.min_observations > self.window:
            raise ValueError(f"min_observations {self.min_observations} do not fit a window of {self.window} days")
        return self


@dataclass(frozen=True)
class Members:
    """The stocks of one graph, in the order of their codes, as they were known on its day."""

    place: np.ndarray  # (member,) among all stocks
    shape: Tensor  # float32 (day, member), standardised returns
    sector: Tensor  # int16 (member,)
    size: Tensor  # float32 (member,), log of the mean traded value; NaN: unknown


@dataclass(frozen=True)
class Edges:
    """Pairs of members, each with its rank among the first one's neighbours."""

    one: Tensor  # (edge,) places among the members
    other: Tensor
    rank: Tensor
    correlation: Tensor


def choose_neighbours(members: Members, date: int, params: GraphParams) -> Edges:
    """Choose every member's neighbours, a bounded number of members at a time."""
    count = len(members.place)
    neighbours = min(params.neighbours, max(count - 1, 0))
    pieces = []
    for start in range(0, count if neighbours else 0, STOCKS_AT_ONCE):
        some = torch.arange(start, min(start + STOCKS_AT_ONCE, count))
        correlation = correlate(members.shape[:, some], members.shape) * (1 - params.shrinkage)
        score = _score(correlation, members, some, date, params)
        score[torch.arange(len(some)), some] = NEVER
        best, other = score.topk(neighbours, dim=1)  # (member, rank)
        one, rank = torch.nonzero(best > NEVER, as_tuple=True)
        chosen = other[one, rank]
        pieces.append((some[one], chosen, rank + 1, correlation[one, chosen]))
    if not pieces:
        nothing = torch.zeros(0, dtype=torch.int64)
        return Edges(nothing, nothing, nothing, nothing.float())
    return Edges(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))


def _score(correlation: Tensor, members: Members, some: Tensor, date: int, params: GraphParams) -> Tensor:
    """Say how near each pair is, in the sense of the graph's kind (member, other)."""
    if params.kind == "sector":
        near = -(members.size[some].unsqueeze(1) - members.size).abs().nan_to_num(nan=1e6)
        same = (members.sector[some].unsqueeze(1) == members.sector) & (members.sector[some] >= 0).unsqueeze(1)
        return near.where(same, NEVER)
    if params.kind == "random":
        drawn = np.random.default_rng([params.seed, date, int(some[0])]).random(correlation.shape, dtype=np.float32)
        return torch.from_numpy(drawn)
    strength = correlation.abs() if params.sign == "absolute" else correlation
    return strength.where(strength > params.floor, NEVER)
