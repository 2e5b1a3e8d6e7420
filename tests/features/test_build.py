"""The two passes: batches, order and names of stocks change no number."""

import math

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.features.build import FEATURE_SETS, FeatureParams
from atft_kedro.schema import feature_columns, target_columns
from factories.datasets import delist, make_ml_dataset
from factories.params import make_params

WIDE = make_params(FeatureParams, set="wide")


@pytest.fixture(scope="module")
def whole(clean_prices: pl.DataFrame) -> pl.DataFrame:
    return make_ml_dataset(clean_prices, WIDE)


@pytest.mark.parametrize("memory_gb", [0.003, 0.03])
def test_the_memory_limit_changes_no_number(clean_prices: pl.DataFrame, whole: pl.DataFrame, memory_gb: float) -> None:
    pieces = make_ml_dataset(clean_prices, WIDE.model_copy(update={"memory_gb": memory_gb}))

    assert_frame_equal(pieces, whole, rel_tol=1e-5, abs_tol=1e-6)


def test_renaming_and_reordering_stocks_permutes_the_rows_and_changes_nothing_else(
    clean_prices: pl.DataFrame, whole: pl.DataFrame
) -> None:
    codes = clean_prices["code"].unique().sort()
    names = dict(zip(codes, codes.shuffle(seed=3), strict=True))
    renamed = clean_prices.with_columns(pl.col("code").replace_strict(names)).sort("code", "date")

    actual = make_ml_dataset(renamed, WIDE)
    expected_rows = whole.with_columns(pl.col("code").replace_strict(names)).sort("date", "code")

    assert_frame_equal(actual, expected_rows, rel_tol=1e-4, abs_tol=1e-5)


def test_two_runs_agree_bit_for_bit(clean_prices: pl.DataFrame, whole: pl.DataFrame) -> None:
    assert_frame_equal(make_ml_dataset(clean_prices, WIDE), whole, check_exact=True)


def test_removing_a_stock_changes_only_features_across_stocks(
    clean_prices: pl.DataFrame,
) -> None:
    params = make_params(FeatureParams, set="alpha158")
    removed_code = clean_prices["code"][0]

    rest = make_ml_dataset(clean_prices.filter(pl.col("code") != removed_code), params)

    assert_frame_equal(
        rest, make_ml_dataset(clean_prices, params).filter(pl.col("code") != removed_code), check_exact=True
    )


def test_the_dataset_has_the_declared_features_in_order(whole: pl.DataFrame) -> None:
    names = [feature.name for feature in FEATURE_SETS["wide"]]

    assert feature_columns(whole.schema) == names
    assert list(target_columns(whole.schema).values()) == [1, 5, 10, 20]
    assert whole.select(names).dtypes == [pl.Float32] * len(names)
    assert whole.select("date", "code").equals(whole.select("date", "code").sort("date", "code"))


def test_no_feature_is_nan_infinite_or_always_unknown(whole: pl.DataFrame) -> None:
    names = [feature.name for feature in FEATURE_SETS["wide"]]
    bad = whole.select((~pl.col(names).is_finite()).sum()).row(0, named=True)
    distinct = whole.select(pl.col(names).drop_nulls().n_unique()).row(0, named=True)

    assert {name: count for name, count in bad.items() if count} == {}
    assert {name: count for name, count in distinct.items() if count < 2} == {}


def test_without_sectors_all_stocks_form_one(clean_prices: pl.DataFrame) -> None:
    dataset = make_ml_dataset(clean_prices.with_columns(sector=pl.lit(None, pl.String)), WIDE)

    assert dataset["sector_ret_1"].equals(dataset["market_ret_1"])


@pytest.mark.parametrize("entry_lag", [0, 1])
def test_targets_follow_the_stocks_own_observations(clean_prices: pl.DataFrame, entry_lag: int) -> None:
    dataset = make_ml_dataset(clean_prices, make_params(FeatureParams, entry_lag=entry_lag, horizons=(1, 7)))
    stock = dataset.filter(pl.col("code") == dataset["code"][0]).sort("date")
    close = stock["close"].to_list()

    for horizon in (1, 7):
        expected = [
            close[t + entry_lag + horizon] / close[t + entry_lag] - 1
            if t + entry_lag + horizon < len(close)
            else math.nan
            for t in range(len(close))
        ]
        actual = stock[f"target_{horizon}d"].fill_null(math.nan).to_list()
        assert actual == pytest.approx(expected, rel=1e-5, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("entry_lag", [0, 1])
def test_the_last_targets_of_delisted_stocks_contain_their_last_return(
    clean_prices: pl.DataFrame, entry_lag: int
) -> None:
    params = make_params(FeatureParams, entry_lag=entry_lag, horizons=(1, 5))
    delistings = delist(clean_prices, -1.0, -0.3, days=40)

    without, completed = (make_ml_dataset(clean_prices, params, table) for table in (None, delistings))

    is_delisted = pl.col("code").is_in(delistings["code"].implode())
    others = completed.filter(~is_delisted)
    assert others["delisting_date"].null_count() == others.height
    assert_frame_equal(others.drop("delisting_date"), without.filter(~is_delisted), check_exact=True)
    for day, code, last_return in delistings.iter_rows():
        stock = completed.filter(code=code)
        close = [*stock["close"], *[stock["close"][-1] * (1 + last_return)] * 5]
        for horizon in (1, 5):
            entries = range(entry_lag, len(stock))
            expected = [close[entry + horizon] / close[entry] - 1 for entry in entries]
            targets = stock[f"target_{horizon}d"].fill_null(math.nan).to_list()
            assert targets == pytest.approx([*expected, *[math.nan] * entry_lag], rel=1e-6, abs=1e-6, nan_ok=True)
            unknown = without.filter(code=code)[f"target_{horizon}d"].tail(horizon + entry_lag)
            assert unknown.null_count() == horizon + entry_lag
        assert stock["delisting_date"].to_list() == [None] * (len(stock) - 5 - entry_lag) + [day] * (5 + entry_lag)
