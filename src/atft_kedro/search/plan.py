"""What a search is: its study, how many trials of how many epochs, over which part of the space."""

import difflib
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_serializer, model_validator

from ..params import InputError, Params
from ..services.database_url import hide_password, is_url
from .space import AnyOf, Dimension, Ranges


def _split_numbers(value: object) -> object:
    """Accept ``"1 2"``, for no list can be given with ``--params``."""
    return str(value).split() if isinstance(value, str | int) else value


def _require_url(url: str) -> str:
    if not is_url(url):
        raise ValueError("no database URL; say postgresql://user@host/database")
    return url


class SearchParams(Params):
    """A search: which study, how many trials, how long each, over which tiers of the space.

    What is null is as it was when the study was begun, or as the preset says: ``quick``, which a new study has, is 5
    trials of 5 epochs over tier 1, ``medium`` 10 of 10 over tiers 1 and 2, ``full`` 20 of 20 over all three; ``later``
    has the tiers of the parameters that are not of tier 1. A trial's score is its best epoch's, as
    ``training.selection`` says. What is worse than others after as many epochs is
    pruned, ``prune_after`` some. A worker that is silent for four heartbeats is dead, and its trial is tried again.
    """

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = "default"
    preset: Literal["quick", "medium", "full"] | None = None
    n_trials: Annotated[int, Field(gt=0)] | None = None
    epochs: Annotated[int, Field(gt=0)] | None = None
    tiers: Annotated[tuple[int, ...], BeforeValidator(_split_numbers), Field(min_length=1)] | None = None
    ranges: Ranges = Field(default_factory=dict)
    choices: AnyOf = Field(default_factory=dict)
    later: dict[str, Annotated[int, Field(gt=1)]] = Field(default_factory=dict)
    pruner: Literal["median", "halving", "hyperband", "none"] = "median"
    prune_after: Annotated[int, Field(gt=0)] = 2
    seed: Annotated[int, Field(ge=0)] = 7
    confirm_seeds: Annotated[int, Field(ge=0)] = 3
    heartbeat_seconds: Annotated[int, Field(gt=0)] = 15
    storage: Annotated[str, AfterValidator(_require_url)] | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _is_once_in_space(self) -> Self:
        twice = [path for path, choices in self.choices.items() if choices and self.ranges.get(path)]
        if twice:
            raise ValueError(f"{twice[0]} has a range and choices; take one out with null")
        return self

    @model_validator(mode="after")
    def _later_is_in_space(self) -> Self:
        known = [*self.ranges, *self.choices]
        for path in self.later:
            if path not in known:
                close = difflib.get_close_matches(path, known, n=1)
                hint = f"; did you mean {close[0]}?" if close else ""
                raise ValueError(f"later names {path}, which has neither a range nor choices{hint}")
        return self

    @field_serializer("storage")
    def _hide_password(self, url: str | None) -> str | None:
        return hide_password(url) if url else None

    def choose_size(self, begun: "Size | None") -> "Size":
        """Say how large the search is, where that is not asked for by what a study was begun with."""
        size = PRESETS[self.preset] if self.preset else begun or PRESETS["quick"]
        asked = {"trials": self.n_trials, "epochs": self.epochs, "tiers": self.tiers}
        return size.model_copy(update={name: value for name, value in asked.items() if value is not None})

    def choose_space(self, tiers: tuple[int, ...]) -> dict[str, Dimension]:
        """Keep the dimensions of the tiers that are searched."""
        space: dict[str, Dimension | None] = {
            **self.ranges,
            **{path: each for path, each in self.choices.items() if each},
        }
        chosen = {path: each for path, each in space.items() if each and self.later.get(path, 1) in tiers}
        if not chosen:
            asked = ", ".join(map(str, tiers))
            raise InputError(f"hpo has no range and no choices for a parameter of tier {asked}: nothing to search.")
        return chosen


class Size(Params):
    """How large a search is."""

    trials: int
    epochs: int
    tiers: tuple[int, ...]


PRESETS = {
    "quick": Size(trials=5, epochs=5, tiers=(1,)),
    "medium": Size(trials=10, epochs=10, tiers=(1, 2)),
    "full": Size(trials=20, epochs=20, tiers=(1, 2, 3)),
}
