"""Plug-ins: a user's features, losses, baselines, graphs and graph layers, loaded by name.

A name is ``module:object``, or that of an installed entry point of the group ``atft_kedro.<kind>``.
"""

import importlib.metadata
import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Literal, TypeVar, get_args

from .params import InputError, MissingPluginError, list_names
from .source_code import hash_module

Kind = Literal["features", "losses", "baselines", "graphs", "graph_layers"]
NAME = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<object>[A-Za-z_]\w*)")
GEOMETRIC = "torch_geometric.nn"  # every graph layer of this module is permitted

T = TypeVar("T")

_permitted: set[str] = set()  # the names in this process's own configuration


def permit_plugins(parameters: Any) -> None:
    """Permit every plug-in that the reader's own parameters name, at any depth.

    A name in a stored file, such as a model card, is no permission: loading it would run the file's code of choice.
    """
    _permitted.update(text for text in _list_texts(parameters) if NAME.fullmatch(text))


def list_permitted() -> list[str]:
    """List the permitted names; a new process permits them again."""
    return sorted(_permitted)


@cache
def list_installed(kind: Kind) -> dict[str, str]:
    """Map the names of the installed entry points of a kind to ``module:object``."""
    return {point.name: point.value for point in importlib.metadata.entry_points(group=f"atft_kedro.{kind}")}


def require_name(name: str, kind: Kind, known: Iterable[str]) -> str:
    """Refuse a text that is neither a known name nor that of a plug-in."""
    installed = list_installed(kind)
    if name not in {*known, *installed} and not NAME.fullmatch(name):
        raise MissingPluginError(
            f"is neither {', '.join(known)} nor an installed plug-in: the entry points of atft_kedro.{kind} are "
            f"{list_names(installed) or 'none'}. Install its package, or name it module:object."
        )
    return name


def load_plugin(name: str, kind: Kind, expected_type: type[T]) -> T:
    """Load a permitted plug-in; refuse one that is missing or of another type."""
    module, attribute = _require_permitted(name, kind)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise InputError(
            f"The plug-in {name} cannot be imported: {error}. Install its package, or put its folder on PYTHONPATH."
        ) from error
    except AttributeError as error:
        raise InputError(f"The plug-in {name} does not exist: {error}.") from error
    if not isinstance(found, expected_type):
        raise InputError(
            f"The plug-in {name} is of the type {type(found).__name__}; it must be a {expected_type.__name__}."
        )
    return found


def hash_plugin(name: str, kind: Kind) -> str:
    """Hash the code of a permitted plug-in's module, and of what that imports of its package.

    A layer of PyTorch Geometric is represented by the installed version.
    """
    module, _ = _require_permitted(name, kind)
    if module == GEOMETRIC:
        return f"torch-geometric {importlib.metadata.version('torch-geometric')}"
    with suppress(ModuleNotFoundError):  # the package is missing
        if importlib.util.find_spec(module):
            return hash_module(module)
    raise InputError(f"The plug-in {name} is not installed: there is no module {module}.")


def hash_plugins(parameters: Any) -> dict[str, str]:
    """Hash the source of every permitted plug-in that parameters name, by its name."""
    texts = {*_list_texts(parameters)}
    kinds: dict[str, Kind] = dict.fromkeys(texts & _permitted, "graph_layers")
    kinds |= {name: kind for kind in get_args(Kind) for name in list_installed(kind) if name in texts}
    return {name: hash_plugin(name, kind) for name, kind in sorted(kinds.items())}


def _list_texts(parameters: Any) -> Iterator[str]:
    """List all texts of parameters, keys too."""
    if isinstance(parameters, str):
        yield parameters
    elif isinstance(parameters, Mapping):
        yield from _list_texts([*parameters, *parameters.values()])
    elif isinstance(parameters, Iterable):
        for value in parameters:
            yield from _list_texts(value)


def _require_permitted(name: str, kind: Kind) -> tuple[str, str]:
    """Split a name into module and object; refuse one that the reader has neither configured nor installed."""
    installed = list_installed(kind) if name not in _permitted else {}
    match = NAME.fullmatch(installed.get(name, name))
    if match is None:
        known = list_names(installed) or "none"
        raise InputError(
            f"The plug-in {name!r} is not installed: no package has an entry point of this name in the group "
            f"atft_kedro.{kind}; installed are: {known}. A plug-in can also be named module:object."
        )
    is_geometric = kind == "graph_layers" and match["module"] == GEOMETRIC
    if name not in {*_permitted, *installed, *installed.values()} and not is_geometric:
        raise InputError(
            f"The plug-in {name} ({kind}) is needed, but neither your configuration nor an installed package names it. "
            f"Nothing of it was run. If you trust it, name it in conf/, or install its package, which has an entry "
            f"point in the group atft_kedro.{kind}."
        )
    return match["module"], match["object"]
