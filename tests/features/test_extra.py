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


COLUMNS = {"pe": {"rank": True}, "cap": {"rank": True, "value": False}, "plain": {}, "hidden": {"value": False}}


def test_columns_become_values_and_ranks_and_part_of_the_catalogue(clean_prices: pl.DataFrame) -> None:
    index = pl.int_range(pl.len())
    prices = clean_prices.with_columns(
        pe=pl.when(index % 7 > 0).then(index * 31 % 997 / 8), cap=index * 17 % 101 * 1.0, plain=index / 0, hidden=index
    )
    plain, extended = make_params(FeatureParams), make_params(FeatureParams, columns=COLUMNS)

    dataset, catalogue = make_ml_dataset(prices, extended), extended.describe()

    added = [entry["name"] for entry in catalogue["features"][plain.describe()["count"] :]]
    assert added == ["pe", "rank_pe", "rank_cap", "plain"]
    assert catalogue["hash"] != plain.describe()["hash"]
    assert make_ml_dataset(clean_prices, plain).equals(dataset.drop(added))
    by_day = prices.sort("date", "code")
    assert dataset["pe"].to_list() == by_day["pe"].cast(pl.Float32).to_list()
    assert dataset["plain"].null_count() == dataset.height  # infinite
    one = dataset["date"] == dataset["date"][4000]
    cap = by_day.filter(one)["cap"]
    ranks = [(sum(cap < x) + sum(cap <= x)) / 2 / len(cap) - 0.5 for x in cap]  # ties have the mean of their ranks
    assert dataset.filter(one)["rank_cap"].to_list() == pytest.approx(ranks, abs=1e-6)


@pytest.mark.parametrize("name", ["PE", "p e", "close", "target_3d", "date", "return", ""])
def test_names_of_other_columns_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must have only small letters, digits and _, and not be the name of another"):
        make_params(FeatureParams, columns={name: {}})


@pytest.mark.parametrize("columns", [{"ret_1": {"value": False}}, {"ret_5": {}}])
def test_a_column_with_the_name_of_a_feature_is_refused(columns: dict[str, object]) -> None:
    with pytest.raises(InputError, match="features.columns has ret_., but there is such a feature: rename the column"):
        make_params(FeatureParams, columns=columns).features()
