"""Who becomes a neighbour: the nearest by correlation, by sector and size, or by chance."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
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

    ``correlation`` ranks by correlation over ``window`` days, the newest weighing most: of both stocks' returns of the
    same days, or, with ``lag_days``, of a stock's with the others' so many days earlier, which finds who moves first;
    ``subtract_market`` of what they are beyond the day's median.
    ``sector`` takes the stocks of the same sector that are nearest in size. ``random`` is the control for any claim
    about graphs: the correlation graph with each neighbour replaced by one drawn once and for all, its edges otherwise
    as they are.
    """

    kind: Literal["correlation", "sector", "random"] = "correlation"
    neighbours: Annotated[int, Field(gt=0)] = 10
    window: Annotated[int, Field(gt=2)] = 252
    lag_days: Annotated[int, Field(ge=0)] = 0
    subtract_market: bool = True
    half_life: Annotated[float, Field(gt=0)] = 120.0
    min_observations: Annotated[int, Field(gt=2)] = 60
    refresh_days: Annotated[int, Field(gt=0)] = 5
    sign: Literal["absolute", "signed"] = "absolute"
    floor: Annotated[float, Field(ge=0, lt=1)] = 0.05
    shrinkage: Annotated[float, Field(ge=0, lt=1)] = 0.1
    clip: Annotated[float, Field(gt=1)] = 5.0
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
    earlier: Tensor  # float32 (day, member), those of ``lag_days`` earlier
    sector: Tensor  # int16 (member,)
    size: Tensor  # float32 (member,), log of the mean traded value; NaN: unknown
    luck: np.ndarray  # uint64 (member,)


@dataclass(frozen=True)
class Edges:
    """Pairs of members, each with its rank among the first one's neighbours.

    ``like`` is the member whose correlation, sector and size the edge carries: the neighbour, but in random graphs.
    """

    one: Tensor  # (edge,) places among the members
    other: Tensor
    like: Tensor
    rank: Tensor
    correlation: Tensor


def choose_neighbours(members: Members, params: GraphParams) -> Edges:
    """Choose every member's neighbours, a bounded number of members at a time."""
    count = len(members.place)
    pieces = [
        _choose(members, torch.arange(start, min(start + STOCKS_AT_ONCE, count)), params)
        for start in range(0, count if count > 1 else 0, STOCKS_AT_ONCE)
    ]
    nothing = torch.zeros(0, dtype=torch.int64)
    empty = Edges(nothing, nothing, nothing, nothing, nothing.float())
    return Edges(*(torch.cat([getattr(piece, name.name) for piece in [empty, *pieces]]) for name in fields(Edges)))


def _choose(members: Members, some: Tensor, params: GraphParams) -> Edges:
    """Choose the neighbours of some members."""
    most = min(params.neighbours, len(members.place) - 1)
    correlation = correlate(members.shape[:, some], members.earlier) * (1 - params.shrinkage)
    best, near = _best(_nearness(correlation, members, some, params), some, most)
    one, rank = torch.nonzero(best > NEVER, as_tuple=True)
    like = near[one, rank]
    other = _best(_throw_dice(members.luck, some), some, most)[1][one, rank] if params.kind == "random" else like
    return Edges(some[one], other, like, rank + 1, correlation[one, like])


def _best(score: Tensor, some: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Take the highest scores (member, rank) and whose they are, never one's own."""
    score[torch.arange(len(some)), some] = NEVER
    found = score.topk(most, dim=1)
    return found.values, found.indices


def _nearness(correlation: Tensor, members: Members, some: Tensor, params: GraphParams) -> Tensor:
    """Say how near each pair is (member, other); where a size is unknown, correlation decides inside a sector."""
    if params.kind == "sector":
        apart = (members.size[some].unsqueeze(1) - members.size).abs()
        near = (-apart).where(apart.isfinite(), correlation - 1e6)
        same = (members.sector[some].unsqueeze(1) == members.sector) & (members.sector[some] >= 0).unsqueeze(1)
        return near.where(same, NEVER)
    strength = correlation.abs() if params.sign == "absolute" else correlation
    return strength.where(strength > params.floor, NEVER)


def hash_codes(codes: Sequence[str], seed: int) -> np.ndarray:
    """Give every code a number (stock,) that depends on nothing but the code and the seed."""
    drawn = [hashlib.blake2b(f"{seed} {code}".encode(), digest_size=8).digest() for code in codes]
    return np.frombuffer(b"".join(drawn), dtype=np.uint64)


def _throw_dice(luck: np.ndarray, some: Tensor) -> Tensor:
    """Throw dice for each pair (member, other), the same on every day, whoever else is there."""
    mixed: np.ndarray = luck[some.numpy(), None] * np.uint64(0x9E3779B97F4A7C15) + luck * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return torch.from_numpy((mixed >> np.uint64(11)).astype(np.float64))
