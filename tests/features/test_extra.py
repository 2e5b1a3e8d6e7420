"""Test that a user's own features join a set, its catalogue and its hash."""

import polars as pl
import pytest

from atft_kedro.features.build import FeatureParams
from atft_kedro.params import InputError
from factories.datasets import make_ml_dataset
from factories.params import make_params
from factories.plugins import plugin_package

NAME = "own_plugins.features:FEATURES"


def test_own_features_join_a_set_and_its_catalogue(clean_prices: pl.DataFrame) -> None:
    plain, extended = make_params(FeatureParams), make_params(FeatureParams, extra=NAME)

    with plugin_package(NAME):
        dataset, catalogue = make_ml_dataset(clean_prices, extended), extended.describe()

    added = [entry["name"] for entry in catalogue["features"][plain.describe()["count"] :]]
    assert added == ["overnight_10", "rank_overnight_10"]
    assert catalogue["hash"] != plain.describe()["hash"]
    stock = dataset.filter(pl.col("code") == "S0003")
    overnight = (stock["open"] / stock["close"].shift(1) - 1).to_list()[-10:]
    assert stock["overnight_10"][-1] == pytest.approx(sum(overnight) / 10, rel=1e-5)
    assert make_ml_dataset(clean_prices, plain).equals(dataset.drop(added))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_plugins.wrong:SAME_NAME", "wrong:SAME_NAME has a feature 'ret_1', but there is such a column"),
        ("own_plugins.features:CLOSE", "features:CLOSE is of the type Expr; it must be a list"),
    ],
)
def test_wrong_lists_are_refused(name: str, message: str) -> None:
    with plugin_package(name), pytest.raises(InputError, match=message):
        make_params(FeatureParams, extra=name).features()
