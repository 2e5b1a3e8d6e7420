"""The fingerprint of a stage: the hashes of its inputs, its parameters and its code."""

import inspect
import json
from pathlib import Path, PurePath
from typing import Any, get_type_hints

from kedro.io import AbstractDataset, CatalogProtocol
from kedro.pipeline.node import Node
from pydantic import BaseModel

from ..plugins import hash_plugins
from ..source_code import digest, hash_code
from .in_memory import InMemoryNodes

ABSENT = "absent"
WITHOUT_EFFECT = {"resume", "processes"}  # parameters that do not change a stage's result


def fingerprint(node: Node, catalog: CatalogProtocol, in_memory: InMemoryNodes) -> dict[str, str]:
    """Hash the code and every input of a node, by name.

    An in-memory input is replaced by the code and the inputs of the node that computes it.
    """
    hashes = {"code": hash_code(node.func)}
    hints, arguments = get_type_hints(node.func), list(inspect.signature(node.func).parameters)
    for index, name in enumerate(node.inputs):
        hint = hints.get(arguments[min(index, len(arguments) - 1)])  # a starred argument takes all remaining inputs
        if computing := in_memory.get(name):
            inherited = fingerprint(computing, catalog, in_memory)
            hashes |= {f"code of {computing.short_name}": inherited.pop("code")} | inherited
        elif name.startswith("params:"):
            hashes[name] = _hash_parameter(catalog[name].load(), hint)
        else:
            hashes[name] = hash_state(catalog[name])
    return hashes


def hash_state(dataset: AbstractDataset) -> str:
    """Hash a dataset's configuration and class, and its files' names, sizes and times.

    Parent folders do not count: the hash stays if the project is moved, or copied with the times of its files.
    """
    description = dataset._describe()
    path = description.get("filepath") or description.get("path")
    if path is None and not dataset.exists():
        return ABSENT
    texts = [json.dumps(_strip_folders(description), sort_keys=True, default=str), hash_code(type(dataset))]
    if path is not None:
        root = Path(str(path))
        files = _list_files(root)
        if not files:
            return ABSENT
        texts += [
            f"{file.relative_to(root)} {stat.st_size} {stat.st_mtime_ns}" for file in files for stat in [file.stat()]
        ]
    return digest(*texts)


def _strip_folders(description: Any) -> Any:
    """Replace every absolute path by its last name."""
    if isinstance(description, dict):
        return {key: _strip_folders(value) for key, value in description.items()}
    if isinstance(description, list | tuple):
        return [_strip_folders(value) for value in description]
    if isinstance(description, str | PurePath) and PurePath(description).is_absolute():
        return PurePath(description).name
    return description


def _hash_parameter(value: Any, hint: Any) -> str:
    """Hash a parameter and the source of the plug-ins that it names.

    A plain tree is first converted to the model of the type hint, as Kedro does.
    """
    if isinstance(value, dict) and isinstance(hint, type) and issubclass(hint, BaseModel):
        value = hint.model_validate(value)
    plain = value.model_dump(mode="json", exclude=WITHOUT_EFFECT) if isinstance(value, BaseModel) else value
    return digest(json.dumps(plain, sort_keys=True, default=str), *hash_plugins(plain).values())


def _list_files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path] if path.exists() else []
