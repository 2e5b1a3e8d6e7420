"""What a stage's result depends on, each cause with the state it was in."""

import ast
import hashlib
import importlib.util
import inspect
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from kedro.io import AbstractDataset, CatalogProtocol
from kedro.pipeline.node import Node
from pydantic import BaseModel

PACKAGE = __package__.split(".")[0]
ABSENT = "absent"
PASSING = {"resume"}  # parameters that ask for a run and do not change its result


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
    return _hash(*parts)


def code_of(thing: Callable[..., Any] | type) -> str:
    """Hash the definition of ``thing``, what it names in its module, and every module of ours that these import.

    Of its own module only what it reaches counts; of the others everything. Comments never do.
    """
    if not _is_ours(thing.__module__):
        return thing.__module__
    own, waiting = _reach(thing.__module__, thing.__qualname__.split(".")[0])
    seen: dict[str, str] = {}
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen[module], imported = _read_module(module)
            waiting += imported
    return _hash(own, *(f"{module} {seen[module]}" for module in sorted(seen)))


def _reach(module: str, name: str) -> tuple[str, list[str]]:
    """Hash what a definition reaches inside its module, and list the modules of ours that this imports."""
    tree, home, _ = _parse(module)
    defined: dict[str, ast.AST] = {}
    for node in tree.body:
        for target in _names_bound(node):
            defined[target] = node
    reached: dict[str, str] = {}
    imported: list[str] = []
    waiting = [name]
    while waiting:
        found = defined.get(each := waiting.pop())
        if found is None or each in reached:
            continue
        reached[each] = ast.dump(found)
        imported += _imports(found, home)
        waiting += [used.id for used in ast.walk(found) if isinstance(used, ast.Name)]
    return _hash(*(f"{each} {reached[each]}" for each in sorted(reached))), [m for m in imported if _is_module(m)]


@cache
def _read_module(module: str) -> tuple[str, list[str]]:
    """Hash one module's syntax tree, and its template, and list the modules of ours that it imports."""
    tree, home, template = _parse(module)
    names = [name for node in ast.walk(tree) for name in _imports(node, home)]
    return _hash(ast.dump(tree), template), sorted({name for name in names if _is_module(name)})


def _parse(module: str) -> tuple[ast.Module, str, str]:
    """Read a module's syntax tree, the package that its relative imports start from, and its template."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    source, template = Path(spec.origin), Path(spec.origin).with_suffix(".html")
    home = module if source.name == "__init__.py" else module.rpartition(".")[0]
    return ast.parse(source.read_text()), home, template.read_text() if template.exists() else ""


def _names_bound(node: ast.stmt) -> list[str]:
    """Name what a statement at a module's top binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    return [each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]


def _imports(node: ast.AST, home: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if _is_ours(alias.name)]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = home.rsplit(".", node.level - 1)[0] if node.level else ""
    origin = ".".join(part for part in (base, node.module) if part)
    if not _is_ours(origin):
        return []
    return [origin, *(f"{origin}.{alias.name}" for alias in node.names)]


def _is_ours(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


def _is_module(name: str) -> bool:
    parent, _, leaf = name.rpartition(".")
    if not parent:
        return False
    spec = importlib.util.find_spec(parent)
    places = spec.submodule_search_locations if spec else None
    return any(
        (Path(place) / f"{leaf}.py").exists() or (Path(place) / leaf / "__init__.py").exists() for place in places or []
    )


def _parameter(value: Any, hint: Any) -> str:
    """Hash a parameter as its model has it; Kedro gives a model to the nodes of a run and a tree to all others."""
    if isinstance(value, dict) and isinstance(hint, type) and issubclass(hint, BaseModel):
        value = hint.model_validate(value)
    plain = value.model_dump(mode="json", exclude=PASSING) if isinstance(value, BaseModel) else value
    return _hash(json.dumps(plain, sort_keys=True, default=str))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path] if path.exists() else []


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
