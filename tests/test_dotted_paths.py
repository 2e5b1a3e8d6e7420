"""Test nested parameters by dotted path."""

from typing import Any

from atft_kedro.dotted_paths import compare_trees, flatten, get_value, select_differing_values, set_value


def test_flatten_names_items_of_lists_of_mappings_by_index_and_keeps_other_lists_and_empty_mappings() -> None:
    tree = {"phases": [{"epochs": 1}, {"epochs": 2}], "horizons": [1, 5], "loss": {}}

    assert flatten(tree) == {"phases.0.epochs": 1, "phases.1.epochs": 2, "horizons": [1, 5], "loss": {}}


def test_flatten_does_not_descend_into_leaves() -> None:
    tree = {"loss": {"mse": 1.0}, "block": {"name": "one"}}

    assert flatten(tree, lambda value: "mse" in value) == {"loss": {"mse": 1.0}, "block.name": "one"}


def test_diff_counts_missing_null_and_empty_as_the_same() -> None:
    first, second = {"a": {"b": 1, "c": 2}, "d": None, "e": [], "f": 0}, {"a": {"b": 1, "c": 3}, "g": {}}

    assert compare_trees(first, second) == {"a.c": (2, 3), "f": (0, None)}
    assert compare_trees({"phases": [{"name": "a"}, {"name": "b"}]}, {"phases": [{"name": "b"}, {"name": "a"}]}) == {
        "phases.0.name": ("a", "b"),
        "phases.1.name": ("b", "a"),
    }


def test_get_value_returns_none_where_a_path_ends_early() -> None:
    assert get_value({"a": {"b": 1}}, "a.b") == 1
    assert get_value({"a": {"b": 1}}, "a.b.c") is None
    assert get_value({"a": None}, "a.b") is None


def test_set_value_creates_missing_and_null_parents() -> None:
    tree: dict[str, Any] = {"a": None, "b": {"c": 1}}

    for path, value in (("a.x.y", 2), ("b.d", 3), ("e", 4)):
        set_value(tree, path, value)

    assert tree == {"a": {"x": {"y": 2}}, "b": {"c": 1, "d": 3}, "e": 4}


def test_select_differing_values_keeps_values_that_differ_from_any_other_tree() -> None:
    tree = {"a": 1, "b": {"c": 2, "d": 3}, "e": None}
    base = {"a": 1, "b": {"c": 2, "d": 4}, "e": 5}

    assert select_differing_values(tree, [base]) == {"b": {"d": 3}, "e": None}
    assert select_differing_values(tree, [tree, base]) == {"b": {"d": 3}, "e": None}
    assert select_differing_values(tree, [base, base | {"a": 7}]) == {"a": 1, "b": {"d": 3}, "e": None}
