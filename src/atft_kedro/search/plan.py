"""Parameters of a search: its study, its size and its search space."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_serializer, model_validator

from ..params import InputError, Params, suggest_name
from ..services.database_url import hide_password, is_url
from .space import ChoiceMap, Dimension, RangeMap


def _split_numbers(value: object) -> object:
    """Split ``"1 2"`` into a list, which ``--params`` cannot give."""
    return str(value).split() if isinstance(value, str | int) else value


def _require_url(url: str) -> str:
    if not is_url(url):
        raise ValueError("is not a database URL; an example is postgresql://user@host/database")
    return url


class SearchSize(Params):
    """Number of trials, epochs per trial, and the tiers of parameters that are searched."""

    trials: int
    epochs: int
    tiers: tuple[int, ...]


PRESETS = {
    "quick": SearchSize(trials=5, epochs=5, tiers=(1,)),
    "medium": SearchSize(trials=10, epochs=10, tiers=(1, 2)),
    "full": SearchSize(trials=20, epochs=20, tiers=(1, 2, 3)),
}


class SearchParams(Params):
    """Parameters of a search.

    ``n_trials``, ``epochs`` and ``tiers`` that are null come from the preset, else from the existing study, else from
    the preset ``quick``. Parameters are of tier 1 unless ``parameter_tiers`` sets another. The score of a trial is
    that of its best epoch, by ``training.selection``. Every trial gets ``prune_after`` epochs before it can be pruned.
    """

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    preset: Literal["quick", "medium", "full"] | None
    n_trials: Annotated[int, Field(gt=0)] | None
    epochs: Annotated[int, Field(gt=0)] | None
    tiers: Annotated[tuple[int, ...], BeforeValidator(_split_numbers), Field(min_length=1)] | None
    ranges: RangeMap
    choices: ChoiceMap
    parameter_tiers: dict[str, Annotated[int, Field(gt=1)]]
    pruner: Literal["median", "halving", "hyperband", "none"]
    prune_after: Annotated[int, Field(gt=0)]
    seed: Annotated[int, Field(ge=0)]
    confirm_seeds: Annotated[int, Field(ge=0)]
    heartbeat_seconds: Annotated[int, Field(gt=0)]
    storage: Annotated[str, AfterValidator(_require_url)] | None = Field(repr=False)

    @model_validator(mode="after")
    def _require_one_dimension(self) -> Self:
        repeated = [path for path, choices in self.choices.items() if choices and self.ranges.get(path)]
        if repeated:
            raise ValueError(f"{repeated[0]} has a range and choices; set one of them to null")
        return self

    @model_validator(mode="after")
    def _require_known_tiers(self) -> Self:
        known = [*self.ranges, *self.choices]
        for path in self.parameter_tiers:
            if path not in known:
                hint = suggest_name(path, known)
                raise ValueError(f"parameter_tiers names {path}, which has neither a range nor choices{hint}")
        return self

    @field_serializer("storage")
    def _hide_password(self, url: str | None) -> str | None:
        return hide_password(url) if url else None

    def choose_size(self, existing: SearchSize | None) -> SearchSize:
        """Complete the size of the search from the preset or from the existing study."""
        size = PRESETS[self.preset] if self.preset else existing or PRESETS["quick"]
        given = {"trials": self.n_trials, "epochs": self.epochs, "tiers": self.tiers}
        return size.model_copy(update={name: value for name, value in given.items() if value is not None})

    def select_space(self, tiers: tuple[int, ...]) -> dict[str, Dimension]:
        """Select the dimensions of the given tiers; those set to null are left out."""
        replaced = {path: choices for path, choices in self.choices.items() if choices}
        space: dict[str, Dimension | None] = {**self.ranges, **replaced}
        selected = {
            path: dimension
            for path, dimension in space.items()
            if dimension and self.parameter_tiers.get(path, 1) in tiers
        }
        if not selected:
            listed = ", ".join(map(str, tiers))
            raise InputError(f"hpo has no range and no choices for a parameter of tier {listed}: nothing to search.")
        return selected
