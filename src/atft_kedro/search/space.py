"""What a search may change: parameters by their dotted names, each with its range or its choices."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from ..dotted import set_value
from ..network.params import NetworkParams
from ..params import InputError, Params
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY
from ..training.params import TrainingParams

BLOCKS: dict[str, type[Params]] = {"network": NetworkParams, "training": TrainingParams}
FIXED = {
    *FIELDS_NOT_IN_IDENTITY,
    "phases",
    "phase_losses",
    "epochs",
    "steps_per_phase",
    "selection",
    "seed",
    "seeds",
}  # not searched

Choice = bool | int | float | str
Chosen = dict[str, Choice]


class Range(Params):
    """The values of a parameter from ``low`` to ``high``, evenly or on a log scale."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"the range from {self.low:g} to {self.high:g} is empty")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"a step of {self.step:g} leads nowhere from {self.low:g} to {self.high:g}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a log scale takes a low above 0, and no step")
        return self


Choices = Annotated[tuple[Choice, ...], Field(min_length=1)]
Dimension = Range | Choices


def _require_known(path: str) -> str:
    find_field(path)
    return path


Path = Annotated[str, AfterValidator(_require_known)]
Ranges = dict[Path, Range | None]
AnyOf = dict[Path, Choices | None]


def say_value(value: object) -> str:
    """Write a parameter's value."""
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def say_chosen(chosen: Mapping[str, object]) -> str:
    """Write some parameters with their values, each by the last part of its name."""
    return ", ".join(f"{path.rpartition('.')[2]} {say_value(value)}" for path, value in chosen.items())


def find_field(path: str) -> FieldInfo:
    """Find a parameter by its dotted name, say ``training.loss.rank_ic``."""
    head, *inner = path.split(".")
    if head not in BLOCKS or not inner:
        raise ValueError(f"unknown; a search changes {' and '.join(BLOCKS)}, say training.learning_rate")
    model: type[Params] = BLOCKS[head]
    for depth, name in enumerate(inner, start=1):
        if name not in model.model_fields:
            known = [".".join([head, *inner[: depth - 1], field]) for field in model.model_fields]
            close = difflib.get_close_matches(path, known, n=1)
            raise ValueError(f"unknown{f'; did you mean {close[0]}?' if close else ''}")
        field = model.model_fields[name]
        if depth < len(inner):
            model = _model_in(field, path)
    if head == "training" and inner[0] in FIXED:
        raise ValueError("no hyper-parameter: it is watched, or set by the search itself")
    if _has_model(field):
        raise ValueError(
            f"a block; name one of its parameters, say {path}.{next(iter(_model_in(field, path).model_fields))}"
        )
    return field


def _models(field: FieldInfo) -> list[type[Params]]:
    return [kind for kind in _kinds(field.annotation) if issubclass(kind, Params)]


def _has_model(field: FieldInfo) -> bool:
    return bool(_models(field))


def _model_in(field: FieldInfo, path: str) -> type[Params]:
    if not _models(field):
        raise ValueError(f"unknown: {path} leads into what has no parts")
    return _models(field)[0]


def is_whole(path: str) -> bool:
    """Say whether a parameter is a whole number."""
    return int in _kinds(find_field(path).annotation)


def _is_number(path: str) -> bool:
    return bool({int, float} & _kinds(find_field(path).annotation))


def _kinds(annotation: Any) -> set[Any]:
    """List the plain types that an annotation is made of."""
    inner = get_args(annotation)
    return set().union(*map(_kinds, inner)) if inner else {annotation} if isinstance(annotation, type) else set()


def put(
    values: Mapping[str, Any], network: NetworkParams, training: TrainingParams
) -> tuple[NetworkParams, TrainingParams]:
    """Put values in their places."""
    tree: dict[str, Any] = {"network": network.model_dump(), "training": training.model_dump()}
    for path, value in values.items():
        set_value(tree, path, value)
    try:
        return NetworkParams.model_validate(tree["network"]), TrainingParams.model_validate(tree["training"])
    except ValidationError as wrong:
        told = "; ".join(error["msg"].removeprefix("Value error, ") for error in wrong.errors())
        raise InputError(
            f"{', '.join(f'{path} = {value}' for path, value in values.items())} cannot be: {told}."
        ) from None


def require_possible(space: Mapping[str, Dimension]) -> None:
    """Refuse a range or a choice that its parameter cannot have, whatever the others are."""
    for path, dimension in space.items():
        if isinstance(dimension, Range) and not _is_number(path):
            raise InputError(f"hpo: {path} has a range, and is no number; give it choices.")
        for value in _values(path, dimension):
            wrong = _complaint(path, value)
            if wrong:
                raise InputError(f"hpo: {path} = {value} cannot be: {wrong}.")


def _values(path: str, dimension: Dimension) -> Iterable[Choice]:
    """List what a parameter may become: of a range of whole numbers all, of another its ends."""
    if not isinstance(dimension, Range):
        return dimension
    if not is_whole(path):
        return dimension.low, dimension.high
    ends = (dimension.low, dimension.high, dimension.step or 1)
    return range(int(ends[0]), int(ends[1]) + 1, int(ends[2])) if all(end == int(end) for end in ends) else ends


def _complaint(path: str, value: Choice) -> str | None:
    """Return what is wrong with one value alone, else None; a trial checks all values together."""
    block, _, name = path.partition(".")
    tree: dict[str, Any] = {}
    set_value(tree, name, value)
    try:
        BLOCKS[block].model_validate(tree)
    except ValidationError as error:
        of_value = [each for each in error.errors() if ".".join(map(str, each["loc"])) == name]
        return of_value[0]["msg"] if of_value else None
    return None
