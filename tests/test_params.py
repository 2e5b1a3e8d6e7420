"""Test the base class of parameters and the messages that list names."""

from typing import Annotated

import pytest
from pydantic import ValidationError

from atft_kedro.params import Params, TimeZone, Unique, batched, list_names, suggest_name


class Example(Params):
    names: Annotated[tuple[str, ...], Unique] = ()
    zone: TimeZone = "UTC"


def test_names_are_listed_and_the_others_counted() -> None:
    assert list_names(range(3)) == "0, 1, 2"
    assert list_names("abcd", most=2, separator=" ") == "a b and 2 more"


def test_the_most_similar_name_is_suggested() -> None:
    assert suggest_name("stoks", ["stocks", "days"]) == "; did you mean stocks?"
    assert suggest_name("x", ["stocks"]) == ""


def test_names_are_split_into_groups() -> None:
    assert batched(["a", "b", "c"], 2) == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"names": ("a", "b", "a")}, "must contain each value once; a is repeated"),
        ({"zone": "Mars"}, "unknown time zone"),
        ({"other": 1}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Example.model_validate(values)
