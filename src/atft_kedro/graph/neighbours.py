"""Selection of neighbours: by correlation, by sector and size, or at random."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from types import FunctionType
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor

from ..params import InputError, Params
from ..plugins import load_plugin, require_name
from .correlation import correlate

STOCKS_AT_ONCE = 2048  # rows of the correlation matrix that are in memory together
EXCLUDED = -torch.inf  # score of a pair that is no edge
KINDS = ("correlation", "sector", "random")


class GraphParams(Params):
    """How neighbours are selected.

    ``correlation`` ranks by the correlation of returns over ``window`` days, the newest with the largest weight. With
    ``lag_days`` it correlates a stock's returns with the others' returns that many days earlier. With
    ``subtract_market`` the day's median return is subtracted first. ``sector`` selects the stocks of the same sector
    with the most similar size. ``random`` is a control: the correlation graph with each neighbour replaced by a
    fixed random stock and all else unchanged. A plug-in scores the pairs, see `_score_pairs`.
    """

    kind: Annotated[str, AfterValidator(partial(require_name, kind="graphs", known=KINDS))]
    neighbours: Annotated[int, Field(gt=0)]
    window: Annotated[int, Field(gt=2)]
    lag_days: Annotated[int, Field(ge=0)]
    subtract_market: bool
    half_life: Annotated[float, Field(gt=0)]
    min_observations: Annotated[int, Field(gt=2)]
    refresh_days: Annotated[int, Field(gt=0)]
    sign: Literal["absolute", "signed"]
    floor: Annotated[float, Field(ge=0, lt=1)]
    shrinkage: Annotated[float, Field(ge=0, lt=1)]
    clip: Annotated[float, Field(gt=1)]
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _window_has_enough_days(self) -> Self:
        if self.min_observations > self.window:
            raise ValueError(f"min_observations {self.min_observations} do not fit a window of {self.window} days")
        return self


@dataclass(frozen=True)
class Members:
    """The stocks of one graph, in the order of their codes, with data known on its day."""

    stock: np.ndarray  # (member,) index among all stocks
    returns: Tensor  # float32 (day, member), standardised
    lagged_returns: Tensor  # float32 (day, member), ``lag_days`` earlier
    sector: Tensor  # int16 (member,)
    size: Tensor  # float32 (member,), log of the mean traded value; NaN: unknown
    random: np.ndarray  # uint64 (member,), see `hash_codes`


@dataclass(frozen=True)
class Edges:
    """Pairs of members with the rank of the neighbour.

    The correlation, sector and size of an edge are those of ``attributes_of``: of the neighbour, except in random
    graphs.
    """

    member: Tensor  # (edge,) index of a member
    neighbour: Tensor
    attributes_of: Tensor
    rank: Tensor
    correlation: Tensor


def choose_neighbours(members: Members, params: GraphParams) -> Edges:
    """Select the neighbours of all members, ``STOCKS_AT_ONCE`` members at a time."""
    count = len(members.stock)
    batches = [
        _choose(members, torch.arange(start, min(start + STOCKS_AT_ONCE, count)), params)
        for start in range(0, count if count > 1 else 0, STOCKS_AT_ONCE)
    ]
    no_index = torch.zeros(0, dtype=torch.int64)
    no_edges = Edges(no_index, no_index, no_index, no_index, no_index.float())
    return Edges(
        *(torch.cat([getattr(edges, field.name) for edges in [no_edges, *batches]]) for field in fields(Edges))
    )


def _choose(members: Members, rows: Tensor, params: GraphParams) -> Edges:
    """Select the neighbours of the members ``rows``."""
    count = min(params.neighbours, len(members.stock) - 1)
    correlation = correlate(members.returns[:, rows], members.lagged_returns) * (1 - params.shrinkage)
    scores, nearest = _select_best(_score_pairs(correlation, members, rows, params), rows, count)
    row, rank = torch.nonzero(scores > EXCLUDED, as_tuple=True)
    neighbour = similar = nearest[row, rank]
    if params.kind == "random":
        neighbour = _select_best(_draw_pairs(members.random, rows), rows, count)[1][row, rank]
    return Edges(rows[row], neighbour, similar, rank + 1, correlation[row, similar])


def _select_best(scores: Tensor, rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the highest scores (row, rank) and their members, without the row's own member."""
    scores[torch.arange(len(rows)), rows] = EXCLUDED
    best = scores.topk(count, dim=1)
    return best.values, best.indices


def _score_pairs(correlation: Tensor, members: Members, rows: Tensor, params: GraphParams) -> Tensor:
    """Score each pair (row, member).

    In a sector graph, pairs of unknown size come after all others, ordered by correlation. A plug-in returns scores
    too; with −∞ or NaN a pair is no edge.
    """
    if params.kind not in KINDS:
        scores = load_plugin(params.kind, "graphs", FunctionType)(members, rows, params)
        if scores.shape != correlation.shape:
            raise InputError(f"The graph {params.kind} returns scores {scores.shape}, not {correlation.shape}.")
        return scores.where(~scores.isnan(), EXCLUDED)  # type: ignore[no-any-return]
    if params.kind == "sector":
        distance = (members.size[rows].unsqueeze(1) - members.size).abs()
        scores = (-distance).where(distance.isfinite(), correlation - 1e6)
        same = (members.sector[rows].unsqueeze(1) == members.sector) & (members.sector[rows] >= 0).unsqueeze(1)
        return scores.where(same, EXCLUDED)
    strength = correlation.abs() if params.sign == "absolute" else correlation
    return strength.where(strength > params.floor, EXCLUDED)


def hash_codes(codes: Sequence[str], seed: int) -> np.ndarray:
    """Return a random number per code (stock,) that depends only on the code and the seed."""
    digests = [hashlib.blake2b(f"{seed} {code}".encode(), digest_size=8).digest() for code in codes]
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def _draw_pairs(random: np.ndarray, rows: Tensor) -> Tensor:
    """Return a random number per pair (row, member), the same on every day and for any members."""
    # Multiplications and shifts mix the bits of both numbers, as hash functions do.
    mixed: np.ndarray = random[rows.numpy(), None] * np.uint64(0x9E3779B97F4A7C15)
    mixed = mixed + random * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return torch.from_numpy((mixed >> np.uint64(11)).astype(np.float64))
