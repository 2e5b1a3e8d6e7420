"""Parameter models with the values of ``conf/base``, where the only defaults are."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf

from atft_kedro.parameter_blocks import BLOCKS
from atft_kedro.params import Params

BASE = Path(__file__).parents[2] / "conf" / "base"

Model = TypeVar("Model", bound=Params)


def make_params(model: type[Model], /, **changes: Any) -> Model:
    """Build a block of ``conf/base``, or a block inside one; ``changes`` replace its values.

    A mapping changes only the values that it names of a nested block: ``make_params(TrainingParams,
    selection={"metric": "loss"})`` keeps the other values of ``training.selection``.
    """
    return model.model_validate(_merge(model, _base_values()[model], changes))


@cache
def _base_values() -> dict[type[Params], dict[str, Any]]:
    """Map each model to its values in ``conf/base``; a model of several blocks has those of the first."""
    files = sorted(BASE.glob("parameters*.yml"))
    tree = OmegaConf.to_container(OmegaConf.merge(*map(OmegaConf.load, files)), resolve=True)
    assert isinstance(tree, dict)
    blocks = [pair for name, model in BLOCKS.items() for pair in _list_blocks(model, tree[name])]
    return dict(reversed(blocks))


def _list_blocks(model: type[Params], values: dict[str, Any]) -> Iterator[tuple[type[Params], dict[str, Any]]]:
    yield model, values
    for name, field in model.model_fields.items():
        if _is_block(field.annotation) and isinstance(values.get(name), dict):
            yield from _list_blocks(field.annotation, values[name])


def _merge(model: type[Params], values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**values, **changes}
    for name, field in model.model_fields.items():
        if (
            _is_block(field.annotation)
            and isinstance(changes.get(name), Mapping)
            and isinstance(values.get(name), dict)
        ):
            merged[name] = _merge(field.annotation, values[name], changes[name])
    return merged


def _is_block(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Params)
