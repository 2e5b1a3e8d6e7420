"""Wrong parameters are found with a suggestion, and values that may be secret are not shown."""

import pytest

from atft_kedro.features.build import FeatureParams
from atft_kedro.parameter_blocks import find_faults
from atft_kedro.search.plan import SearchParams
from factories.params import make_params


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"markt": {}}, (("markt",), "markt = {}: unknown; did you mean market?")),
        ({"workspace": 3}, (("workspace",), "workspace = 3: must start with a letter, then letters, digits, - and _")),
        ({"prices": 3}, (("prices",), "prices = 3: must be text")),
    ],
)
def test_unknown_names_and_wrong_texts_are_found(
    parameters: dict[str, object], fault: tuple[tuple[str, ...], str]
) -> None:
    assert list(find_faults(parameters)) == [fault]


def test_a_wrong_entry_of_features_columns_is_named() -> None:
    block = make_params(FeatureParams).model_dump(mode="json")
    faults = dict(find_faults({"features": block | {"columns": {"pe": {"rnk": True}, "Close": {}}}}))

    assert faults["features", "columns", "pe", "rnk"].endswith("unknown; did you mean rank?")
    assert "features.columns.Close: must have only small letters" in faults["features", "columns", "Close"]


def test_the_address_of_a_database_is_not_shown() -> None:
    block = make_params(SearchParams).model_dump(mode="json") | {"storage": ["secret"]}

    ((keys, message),) = find_faults({"hpo": block})

    assert keys[:2] == ("hpo", "storage")
    assert "secret" not in message
