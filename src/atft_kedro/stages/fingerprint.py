"""What a stage's result depends on, each cause with the state it was in."""

import inspect
import json
from pathlib import Path
from typing import Any, get_type_hints

from kedro.io import AbstractDataset, CatalogProtocol
from kedro.pipeline.node import Node
from pydantic import BaseModel

from ..source_code import code_of, digest

ABSENT = "absent"
PASSING = {"resume", "processes"}  # parameters that ask for a run and do not change its result


def fingerprint(node: Node, catalog: CatalogProtocol) -> dict[str, str]:
    """Name every cause of the node's outputs and hash its state."""
    causes = {"code": code_of(node.func)}
    hints = get_type_hints(node.func)
    for name, argument in zip(node.inputs, inspect.signature(node.func).parameters, strict=False):
        is_parameter = name.startswith("params:")
        causes[name] = (
            _parameter(catalog[name].load(), hints.get(argument)) if is_parameter else state_of(catalog[name])
        )
    return causes


def state_of(dataset: AbstractDataset) -> str:
    """Identify what a dataset holds: how it is configured and read, and its files' sizes and times."""
    described = dataset._describe()
    path = described.get("filepath") or described.get("path")
    if path is None and not dataset.exists():
        return ABSENT
    parts = [json.dumps(described, sort_keys=True, default=str), code_of(type(dataset))]
    if path is not None:
        files = _files(Path(str(path)))
        if not files:
            return ABSENT
        parts += [f"{file} {stat.st_size} {stat.st_mtime_ns}" for file in files for stat in [file.stat()]]
    return digest(*parts)


def _parameter(value: Any, hint: Any) -> str:
    """Hash a parameter as its model has it; Kedro gives a model to the nodes of a run and a tree to all others."""
    if isinstance(value, dict) and isinstance(hint, type) and issubclass(hint, BaseModel):
        value = hint.model_validate(value)
    plain = value.model_dump(mode="json", exclude=PASSING) if isinstance(value, BaseModel) else value
    return digest(json.dumps(plain, sort_keys=True, default=str))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path] if path.exists() else []
