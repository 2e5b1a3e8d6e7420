"""The search space: parameters by dotted path, each with a range or with choices."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from ..dotted_paths import set_value
from ..loss_weights import LossWeights, is_extra_loss
from ..network.params import NetworkParams
from ..params import InputError, Params, suggest_name
from ..training.checkpoint import FIELDS_NOT_IN_IDENTITY
from ..training.params import TrainingParams

BLOCKS: dict[str, type[Params]] = {"network": NetworkParams, "training": TrainingParams}
LENGTH_AND_SEEDS = ("epochs", "steps_per_phase", "seed", "seeds")
NOT_SEARCHED = {  # parameters of `training`, each with the reason
    **dict.fromkeys(FIELDS_NOT_IN_IDENTITY, "it does not change the forecasts"),
    **dict.fromkeys(LENGTH_AND_SEEDS, "it is the same for all trials of a search"),
    **dict.fromkeys(("phases", "phase_losses"), "it is not a single value"),
    "selection": "it defines the score of a trial",
}

ParamValue = bool | int | float | str
ParamValues = dict[str, ParamValue]  # by dotted path


class Range(Params):
    """Values of a parameter from ``low`` to ``high``, optionally in steps or on a log scale."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @model_validator(mode="after")
    def _require_valid(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low must be less than high, not {self.low:g} and {self.high:g}")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"the range from {self.low:g} to {self.high:g} cannot have a step of {self.step:g}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("a log scale needs a low above 0 and cannot have a step")
        return self


Choices = Annotated[tuple[ParamValue, ...], Field(min_length=1)]
Dimension = Range | Choices


def _require_searchable(path: str) -> str:
    find_field(path)
    return path


ParamPath = Annotated[str, AfterValidator(_require_searchable)]
RangeMap = dict[ParamPath, Range | None]  # None removes the parameter from the search
ChoiceMap = dict[ParamPath, Choices | None]


def format_value(value: object) -> str:
    """Format the value of a parameter; None becomes a dash."""
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def format_values(values: Mapping[str, object]) -> str:
    """Format parameters with their values, each with only the last name of its path."""
    return ", ".join(f"{path.rpartition('.')[2]} {format_value(value)}" for path, value in values.items())


def find_field(path: str) -> FieldInfo:
    """Find the field of a path such as ``training.loss.rank_ic`` if it can be searched."""
    block, *names = path.split(".")
    if block not in BLOCKS or not names:
        raise ValueError(
            f"unknown parameter; a search changes {' and '.join(BLOCKS)}, for example training.learning_rate"
        )
    param_classes = [BLOCKS[block]]
    for depth, name in enumerate(names, start=1):
        if not param_classes:
            raise ValueError(f"unknown parameter: {'.'.join([block, *names[: depth - 1]])} is a value, not a block")
        fields = param_classes[0].model_fields
        if param_classes[0] is LossWeights and is_extra_loss(name):
            name = "extra"  # noqa: PLW2901  (weights of plug-ins are numbers too)
        if name not in fields:
            known = [".".join([block, *names[: depth - 1], other]) for other in fields]
            raise ValueError(f"unknown parameter{suggest_name(path, known)}")
        field = fields[name]
        param_classes = [type_ for type_ in _list_types(field.annotation) if issubclass(type_, Params)]
    if block == "training" and names[0] in NOT_SEARCHED:
        raise ValueError(f"cannot be searched: {NOT_SEARCHED[names[0]]}")
    if param_classes:
        example = f"{path}.{next(iter(param_classes[0].model_fields))}"
        raise ValueError(f"is a block of parameters; name one of them, for example {example}")
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
    """Refuse a value that its parameter cannot have with any other parameters."""
    for path, dimension in space.items():
        if isinstance(dimension, Range) and not {int, float} & _list_types(find_field(path).annotation):
            raise InputError(f"hpo.ranges: {path} is not a number; list its values in hpo.choices instead.")
        for value in _list_values(path, dimension):
            reason = _find_error(path, value)
            if reason:
                raise InputError(f"hpo: {path} = {value} is not valid: {reason}.")


def _list_values(path: str, dimension: Dimension) -> Iterable[ParamValue]:
    """List every choice, every integer of a range, or both bounds of a range of floats."""
    if not isinstance(dimension, Range):
        return dimension
    if not is_integer(path):
        return dimension.low, dimension.high
    bounds_and_step = (dimension.low, dimension.high, dimension.step or 1)
    for number in bounds_and_step:
        if number != int(number):
            raise InputError(f"hpo.ranges: {path} is an integer, but its range contains {number}.")
    low, high, step = map(int, bounds_and_step)
    return range(low, high + 1, step)


def _find_error(path: str, value: ParamValue) -> str | None:
    """Return why a value is invalid with any other parameters, else None.

    Each trial validates the combination of its values.
    """
    block, _, name = path.partition(".")
    tree: dict[str, Any] = {}
    set_value(tree, name, value)
    try:
        BLOCKS[block].model_validate(tree)
    except ValidationError as error:
        reasons = [detail["msg"] for detail in error.errors() if ".".join(map(str, detail["loc"])) == name]
        return reasons[0] if reasons else None
    return None
