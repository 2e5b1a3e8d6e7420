"""The search space: parameters by dotted path, each with a range or with choices."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from ..dotted import set_value
from ..network.params import NetworkParams
from ..params import InputError, Params, suggest_name
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY
from ..training.params import TrainingParams

BLOCKS: dict[str, type[Params]] = {"network": NetworkParams, "training": TrainingParams}
LENGTH_AND_SEEDS = {"epochs", "steps_per_phase", "seed", "seeds"}
NOT_SEARCHED = {*FIELDS_NOT_IN_IDENTITY, *LENGTH_AND_SEEDS, "phases", "phase_losses", "selection"}

ParamValue = bool | int | float | str
ParamValues = dict[str, ParamValue]  # by dotted path


class Range(Params):
    """The values of a parameter from ``low`` to ``high``, evenly or on a log scale."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"the range from {self.low:g} to {self.high:g} is empty")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"the range from {self.low:g} to {self.high:g} cannot have a step of {self.step:g}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a log scale takes a low above 0, and no step")
        return self


Choices = Annotated[tuple[ParamValue, ...], Field(min_length=1)]
Dimension = Range | Choices


def _require_known(path: str) -> str:
    find_field(path)
    return path


Path = Annotated[str, AfterValidator(_require_known)]
RangeMap = dict[Path, Range | None]
ChoiceMap = dict[Path, Choices | None]


def format_value(value: object) -> str:
    """Format the value of a parameter; None becomes a dash."""
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def format_values(values: Mapping[str, object]) -> str:
    """Format parameters with their values, each by the last name of its path."""
    return ", ".join(f"{path.rpartition('.')[2]} {format_value(value)}" for path, value in values.items())


def find_field(path: str) -> FieldInfo:
    """Find the field of a path such as ``training.loss.rank_ic``; refuse what is not searched."""
    block, *names = path.split(".")
    if block not in BLOCKS or not names:
        raise ValueError(f"unknown; a search changes {' and '.join(BLOCKS)}, for example training.learning_rate")
    models = [BLOCKS[block]]
    for depth, name in enumerate(names, start=1):
        if not models:
            raise ValueError(f"unknown: {'.'.join([block, *names[: depth - 1]])} is a value, not a block")
        fields = models[0].model_fields
        if name not in fields:
            known = [".".join([block, *names[: depth - 1], other]) for other in fields]
            raise ValueError(f"unknown{suggest_name(path, known)}")
        field = fields[name]
        models = [kind for kind in _list_types(field.annotation) if issubclass(kind, Params)]
    if block == "training" and names[0] in NOT_SEARCHED:
        raise ValueError("no hyper-parameter: it changes no forecast, or the search itself sets it")
    if models:
        raise ValueError(
            f"a block; name one of its parameters, for example {path}.{next(iter(models[0].model_fields))}"
        )
    return field


def is_integer(path: str) -> bool:
    """Return whether a parameter is an integer."""
    return int in _list_types(find_field(path).annotation)


def _list_types(annotation: Any) -> set[Any]:
    """List the plain types inside an annotation."""
    inner = get_args(annotation)
    return set().union(*map(_list_types, inner)) if inner else {annotation} if isinstance(annotation, type) else set()


def apply_values(
    values: Mapping[str, Any], network: NetworkParams, training: TrainingParams
) -> tuple[NetworkParams, TrainingParams]:
    """Return the parameters with the given values set and validated."""
    tree: dict[str, Any] = {"network": network.model_dump(), "training": training.model_dump()}
    for path, value in values.items():
        set_value(tree, path, value)
    try:
        return NetworkParams.model_validate(tree["network"]), TrainingParams.model_validate(tree["training"])
    except ValidationError as error:
        reasons = "; ".join(detail["msg"].removeprefix("Value error, ") for detail in error.errors())
        listed = ", ".join(f"{path} = {value}" for path, value in values.items())
        raise InputError(f"{listed} is not valid: {reasons}.") from None


def check_space(space: Mapping[str, Dimension]) -> None:
    """Refuse a value that its parameter cannot have, whatever the other parameters are."""
    for path, dimension in space.items():
        if isinstance(dimension, Range) and not {int, float} & _list_types(find_field(path).annotation):
            raise InputError(f"hpo: {path} has a range, but is not a number; give it choices.")
        for value in _list_values(path, dimension):
            reason = _find_error(path, value)
            if reason:
                raise InputError(f"hpo: {path} = {value} is not valid: {reason}.")


def _list_values(path: str, dimension: Dimension) -> Iterable[ParamValue]:
    """List every choice, every integer of a range, or the two ends of a range of floats."""
    if not isinstance(dimension, Range):
        return dimension
    if not is_integer(path):
        return dimension.low, dimension.high
    ends = (dimension.low, dimension.high, dimension.step or 1)
    return range(int(ends[0]), int(ends[1]) + 1, int(ends[2])) if all(end == int(end) for end in ends) else ends


def _find_error(path: str, value: ParamValue) -> str | None:
    """Return what is wrong with one value alone, else None; a trial validates all values together."""
    block, _, name = path.partition(".")
    tree: dict[str, Any] = {}
    set_value(tree, name, value)
    try:
        BLOCKS[block].model_validate(tree)
    except ValidationError as error:
        reasons = [detail["msg"] for detail in error.errors() if ".".join(map(str, detail["loc"])) == name]
        return reasons[0] if reasons else None
    return None
