"""The declaration of a feature gives its documentation and its hash."""

import json

import polars as pl

from atft_kedro.features.build import FEATURE_SETS
from atft_kedro.features.feature import Feature, describe_columns

ONE = Feature("one", pl.col("close") / 2, "test", 0, "half the close")


def test_the_catalogue_documents_every_feature_and_is_json() -> None:
    catalogue = describe_columns([feature.name for feature in FEATURE_SETS["wide"]], FEATURE_SETS["wide"])

    assert catalogue["count"] == len(catalogue["features"]) == len(FEATURE_SETS["wide"])
    assert json.loads(json.dumps(catalogue)) == catalogue
    assert all(feature["definition"] for feature in catalogue["features"])


def hash_features(features: list[Feature]) -> str:
    catalogue: dict[str, str] = describe_columns([feature.name for feature in features], features)
    return catalogue["hash"]


def test_the_hash_changes_with_names_order_and_definitions_and_with_nothing_else() -> None:
    two = Feature("two", pl.col("close") / 3, "test", 0, "a third")
    other = Feature("one", pl.col("close") / 4, "test", 0, "half the close")
    worded = Feature("one", pl.col("close") / 2, "test", 0, "the close, halved")

    assert hash_features([ONE]) == hash_features([worded])
    assert len({hash_features(features) for features in ([ONE], [two], [other], [ONE, two], [two, ONE])}) == 5
