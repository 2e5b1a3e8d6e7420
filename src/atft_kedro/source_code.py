"""Hash the source code that a definition depends on, without comments and formatting."""

import ast
import hashlib
import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = __package__.split(".")[0]


def digest(*parts: str) -> str:
    """Hash texts to 16 hexadecimal digits."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def hash_code(definition: Callable[..., Any] | type) -> str:
    """Hash a definition and the code of this package that it depends on.

    In its module only the names that it uses count; of this package's other modules all code counts. A definition of
    another package is represented by the name of its module.
    """
    if not _is_in_package(definition.__module__):
        return definition.__module__
    own, imported = _hash_reachable(definition.__module__, definition.__qualname__.split(".")[0])
    return digest(own, *_hash_modules(imported))


def hash_module(module: str) -> str:
    """Hash the code of any module, and of the modules of its package that it imports."""
    return digest(*_hash_modules([module]))


def _hash_modules(waiting: list[str]) -> list[str]:
    """Hash modules and all that they import of their package, each with its name."""
    seen: dict[str, str] = {}
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen[module], imported = _read_module(module)
            waiting += imported
    return [f"{module} {seen[module]}" for module in sorted(seen)]


def _hash_reachable(module: str, name: str) -> tuple[str, list[str]]:
    """Hash the code of its module that a definition uses; list the modules of its package that it imports."""
    tree, package, _ = _parse(module)
    defined: dict[str, ast.AST] = {}
    for node in tree.body:
        for target in _list_bound_names(node):
            defined[target] = node
    reached: dict[str, str] = {}
    imported: list[str] = []
    waiting = [name]
    while waiting:
        definition = defined.get(current := waiting.pop())
        if definition is None or current in reached:
            continue
        reached[current] = ast.dump(definition)
        imported += _list_imports(definition, package)
        waiting += [used.id for used in ast.walk(definition) if isinstance(used, ast.Name)]
    modules = [imported_name for imported_name in imported if _is_module(imported_name)]
    return digest(*(f"{key} {reached[key]}" for key in sorted(reached))), modules


@cache
def _read_module(module: str) -> tuple[str, list[str]]:
    """Hash a module's syntax tree and template; list the modules of its package that it imports."""
    tree, package, template = _parse(module)
    names = [name for node in ast.walk(tree) for name in _list_imports(node, package)]
    return digest(ast.dump(tree), template), sorted({name for name in names if _is_module(name)})


def _parse(module: str) -> tuple[ast.Module, str, str]:
    """Parse a module; return its tree, the package of its relative imports and its template."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    source, template = Path(spec.origin), Path(spec.origin).with_suffix(".html")
    package = module if source.name == "__init__.py" else module.rpartition(".")[0]
    return ast.parse(source.read_text()), package, template.read_text() if template.exists() else ""


def _list_bound_names(node: ast.stmt) -> list[str]:
    """List the names that a statement at module level binds."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    return [name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)]


def _list_imports(node: ast.AST, package: str) -> list[str]:
    root = package.partition(".")[0]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if _is_in_package(alias.name, root)]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = package.rsplit(".", node.level - 1)[0] if node.level else ""
    origin = ".".join(part for part in (base, node.module) if part)
    if not _is_in_package(origin, root):
        return []
    return [origin, *(f"{origin}.{alias.name}" for alias in node.names)]


def _is_in_package(module: str, package: str = PACKAGE) -> bool:
    return module == package or module.startswith(f"{package}.")


def _is_module(name: str) -> bool:
    parent, _, leaf = name.rpartition(".")
    if not parent:
        return False
    spec = importlib.util.find_spec(parent)
    folders = spec.submodule_search_locations if spec else None
    return any(
        (Path(folder) / f"{leaf}.py").exists() or (Path(folder) / leaf / "__init__.py").exists()
        for folder in folders or []
    )
