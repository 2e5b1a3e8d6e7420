"""Read, set and compare nested parameters by dotted paths, such as ``training.selection.metric``."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Tree = Mapping[str, Any]
EMPTY_VALUES: tuple[Any, ...] = (None, {}, [])  # values that `diff` treats like a missing path


def flatten(tree: Tree, is_leaf: Callable[[Any], bool] = lambda value: False) -> dict[str, Any]:
    """Map the dotted path of every leaf to its value.

    Items of a list of mappings are named by their index. Other lists, empty mappings, and mappings for which
    ``is_leaf`` is true are leaves.
    """
    return {path: value for name, child in tree.items() for path, value in _walk(str(name), child, is_leaf)}


def _walk(path: str, value: Any, is_leaf: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        value = dict(enumerate(value))
    if isinstance(value, Mapping) and value and not is_leaf(value):
        for name, child in value.items():
            yield from _walk(f"{path}.{name}", child, is_leaf)
    else:
        yield path, value


def compare_trees(first: Tree, second: Tree) -> dict[str, tuple[Any, Any]]:
    """Return both values of every path at which the trees differ.

    Missing, null and empty values are the same.
    """
    first_values, second_values = (
        {path: value for path, value in flatten(tree).items() if value not in EMPTY_VALUES} for tree in (first, second)
    )
    paths = sorted({*first_values, *second_values})
    pairs = {path: (first_values.get(path), second_values.get(path)) for path in paths}
    return {path: pair for path, pair in pairs.items() if pair[0] != pair[1]}


def get_value(tree: Tree, path: str) -> Any:
    """Return the value at a dotted path; None if the path does not exist or enters a list."""
    value: Any = tree
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def set_value(tree: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path in place; missing or null parents become mappings.

    The path cannot enter a list.
    """
    *parents, name = path.split(".")
    for parent in parents:
        if tree.get(parent) is None:
            tree[parent] = {}
        tree = tree[parent]
    tree[name] = value


def select_differing_values(tree: Tree, references: Sequence[Tree]) -> dict[str, Any]:
    """Select the values of ``tree`` that differ from at least one of the references.

    A mapping is compared value by value if all references have a mapping there, else as a whole.
    """
    differing: dict[str, Any] = {}
    for name, value in tree.items():
        reference_values = [reference.get(name) for reference in references]
        mappings = [reference for reference in reference_values if isinstance(reference, Mapping)]
        if isinstance(value, Mapping) and len(mappings) == len(reference_values):
            inner = select_differing_values(value, mappings)
            differing |= {name: inner} if inner else {}
        elif any(value != reference for reference in reference_values):
            differing[name] = value
    return differing
