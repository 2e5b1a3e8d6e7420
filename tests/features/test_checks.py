"""Test that features use no later prices and do not depend on a stock's price level."""

import polars as pl
import pytest

from atft_kedro.features import checks
from atft_kedro.features.build import FEATURE_SETS, FeatureParams
from atft_kedro.features.checks import find_feature_faults, find_look_ahead, find_scale_dependence, sample_prices
from atft_kedro.params import InputError
from factories.params import make_params
from factories.plugins import plugin_package

WIDE = [feature.name for feature in FEATURE_SETS["wide"]]


@pytest.fixture(scope="module")
def sample(clean_prices: pl.DataFrame) -> pl.DataFrame:
    return sample_prices(clean_prices.lazy(), 300)


def test_no_feature_of_this_project_depends_on_the_price_level(
    sample: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_params(FeatureParams, set="wide")
    assert find_scale_dependence(sample, params, WIDE) == {}

    monkeypatch.setattr(checks, "MAX_CHANGE", 1e-9)
    inexact = {name.rstrip("0123456789_") for name in find_scale_dependence(sample, params, WIDE)}
    inexact -= {name for name in inexact if name.startswith("rank_")}  # two stocks that change their places

    # 1 is added to a volume before its logarithm, so the least traded stocks show it a little
    volume = {"volume_vol", "volume_shock", "return_volume_corr", "abs_return_volume_growth_corr", "CORR"}
    assert inexact == volume


def test_no_feature_of_this_project_uses_later_prices(sample: pl.DataFrame) -> None:
    assert find_look_ahead(sample, make_params(FeatureParams, set="wide"), WIDE) == {}


@pytest.mark.parametrize(
    ("name", "feature", "reason"),
    [
        ("LOOKS_AHEAD", "next_rise", "uses later prices: .* change with prices after it"),
        ("WHOLE_HISTORY", "rows", "uses later prices"),
        ("LEVEL", "log_close", "depends on the price level, which knows later splits"),
    ],
)
def test_a_wrong_feature_is_found_by_name(clean_prices: pl.DataFrame, name: str, feature: str, reason: str) -> None:
    plugins = ("own_plugins.features:FEATURES", f"own_plugins.wrong:{name}")

    with plugin_package(*plugins):
        faults = find_feature_faults(clean_prices.lazy(), make_params(FeatureParams, extra=plugins))

    assert list(faults) == [feature]
    assert pl.Series([faults[feature]]).str.contains(reason).all()


def test_further_columns_are_no_fault_and_can_be_used_by_plug_ins(clean_prices: pl.DataFrame) -> None:
    prices = clean_prices.with_columns(pe=pl.int_range(pl.len()) % 97 / 8)  # nothing to do with the prices
    columns, name = {"pe": {"rank": True}, "absent": {}}, "own_plugins.wrong:LATER_COLUMN"

    with plugin_package(name):
        faults = find_feature_faults(prices.lazy(), make_params(FeatureParams, columns=columns, extra=name))

    assert find_feature_faults(prices.lazy(), make_params(FeatureParams, columns=columns)) == {}
    assert list(faults) == ["next_pe"]
    assert "uses later prices" in faults["next_pe"]


def test_a_feature_of_an_unknown_column_is_refused(clean_prices: pl.DataFrame) -> None:
    name = "own_plugins.wrong:UNKNOWN_COLUMN"

    with plugin_package(name), pytest.raises(InputError, match="wrong:UNKNOWN_COLUMN cannot be computed.*earnings"):
        find_feature_faults(clean_prices.lazy(), make_params(FeatureParams, extra=name))


def test_without_own_features_nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "sample_prices", None)

    assert find_feature_faults(pl.LazyFrame(), make_params(FeatureParams)) == {}
