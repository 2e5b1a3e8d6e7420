"""What a definition's source reaches, hashed: comments and formatting do not count."""

import ast
import hashlib
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = __package__.split(".")[0]


def digest(*parts: str) -> str:
    """Hash some texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def hash_code(thing: Callable[..., Any] | type) -> str:
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
    return digest(own, *(f"{module} {seen[module]}" for module in sorted(seen)))


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
    return digest(*(f"{each} {reached[each]}" for each in sorted(reached))), [m for m in imported if _is_module(m)]


@cache
def _read_module(module: str) -> tuple[str, list[str]]:
    """Hash one module's syntax tree, and its template, and list the modules of ours that it imports."""
    tree, home, template = _parse(module)
    names = [name for node in ast.walk(tree) for name in _imports(node, home)]
    return digest(ast.dump(tree), template), sorted({name for name in names if _is_module(name)})


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
