"""Features and known targets do not depend on later prices, bit for bit."""

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.features.build import FeatureParams
from atft_kedro.schema import QUOTES, target
from factories.datasets import delist, make_ml_dataset
from factories.params import make_params


@pytest.fixture(scope="module", params=["core", "alpha158", "wide"])
def params(request: pytest.FixtureRequest) -> FeatureParams:
    return make_params(FeatureParams, set=request.param, memory_gb=0.02)  # many batches and periods


def shock(prices: pl.DataFrame, after: object) -> pl.DataFrame:
    """Change every price and volume after a day beyond recognition."""
    later, odd = pl.col("date") > after, pl.col("code").hash() % 7 + 2
    factors = {"open": odd, "high": odd + 1, "low": odd * 0.5, "close": odd * 0.9, "volume": odd * 100}
    return prices.with_columns(
        pl.when(later).then(pl.col(name) * factor).otherwise(name).alias(name) for name, factor in factors.items()
    )


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_later_prices_change_no_feature_and_no_known_target(
    clean_prices: pl.DataFrame, params: FeatureParams, share: float
) -> None:
    days = clean_prices["date"].unique().sort()
    today = days[int(share * len(days))]
    known = [
        pl.when(pl.col("date") <= days[int(share * len(days)) - 3 * horizon])
        .then(target(horizon))
        .alias(target(horizon))
        for horizon in params.horizons
    ]

    before, after = (
        make_ml_dataset(prices, params).filter(pl.col("date") <= today).with_columns(known)
        for prices in (clean_prices, shock(clean_prices, today))
    )

    assert before.height > 1000
    assert_frame_equal(before, after, check_exact=True)


def test_removing_later_days_and_delistings_changes_no_feature(
    clean_prices: pl.DataFrame, params: FeatureParams
) -> None:
    today = clean_prices["date"].max() - timedelta(days=120)
    targets = [target(horizon) for horizon in params.horizons]
    delistings = delist(clean_prices, *[-1.0] * 10)
    whole = make_ml_dataset(clean_prices, params, delistings)
    assert whole.drop_nulls("delisting_date")["code"].n_unique() == 10
    whole = whole.filter(pl.col("date") <= today).drop("delisting_date", *targets)
    cut = make_ml_dataset(clean_prices.filter(pl.col("date") <= today), params).drop(targets)

    assert_frame_equal(whole, cut, check_exact=True)


def test_targets_do_look_ahead(clean_prices: pl.DataFrame, params: FeatureParams) -> None:
    today = clean_prices["date"].unique().sort()[200]

    before, after = (
        make_ml_dataset(prices, params).filter(pl.col("date") == today)
        for prices in (clean_prices, shock(clean_prices, today))
    )

    assert not before["target_1d"].equals(after["target_1d"])
    assert before.select(QUOTES).equals(after.select(QUOTES))
