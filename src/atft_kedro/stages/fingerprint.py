"""What a stage's result depends on, each cause with the state it was in."""

import inspect
import json
from pathlib import Path, PurePath
from typing import Any, get_type_hints

from kedro.io import AbstractDataset, CatalogProtocol
from kedro.pipeline.node import Node
from pydantic import BaseModel

from ..source_code import code_of, digest
from .in_memory import Sources

ABSENT = "absent"
PASSING = {"resume", "processes"}  # parameters that ask for a run and do not change its result


def fingerprint(node: Node, catalog: CatalogProtocol, sources: Sources) -> dict[str, str]:
    """Name every cause of the node's outputs and hash its state.

    The causes of an in-memory input are those of the node that computes it.
    """
    causes = {"code": code_of(node.func)}
    hints, arguments = get_type_hints(node.func), list(inspect.signature(node.func).parameters)
    for place, name in enumerate(node.inputs):
        hint = hints.get(arguments[min(place, len(arguments) - 1)])  # a starred argument takes all that are left
        if source := sources.get(name):
            inherited = fingerprint(source, catalog, sources)
            causes |= {f"code of {source.short_name}": inherited.pop("code")} | inherited
        elif name.startswith("params:"):
            causes[name] = _parameter(catalog[name].load(), hint)
        else:
            causes[name] = state_of(catalog[name])
    return causes


def state_of(dataset: AbstractDataset) -> str:
    """Identify what a dataset holds: how it is configured and read, and its files' names, sizes and times.

    The folders above do not count: a project that was moved, or copied with its files' times, is as it was.
    """
    described = dataset._describe()
    path = described.get("filepath") or described.get("path")
    if path is None and not dataset.exists():
        return ABSENT
    parts = [json.dumps(_without_folders(described), sort_keys=True, default=str), code_of(type(dataset))]
    if path is not None:
        home = Path(str(path))
        files = _files(home)
        if not files:
            return ABSENT
        parts += [
            f"{file.relative_to(home)} {stat.st_size} {stat.st_mtime_ns}" for file in files for stat in [file.stat()]
        ]
    return digest(*parts)


def _without_folders(described: Any) -> Any:
    """Leave of every absolute path its last name."""
    if isinstance(described, dict):
        return {key: _without_folders(value) for key, value in described.items()}
    if isinstance(described, list | tuple):
        return [_without_folders(each) for each in described]
    if isinstance(described, str | PurePath) and PurePath(described).is_absolute():
        return PurePath(described).name
    return described


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
