"""The simulated market has the statistics of a market, and its planted effects are known exactly."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import kurtosis

from atft_kedro.features.build import FEATURE_SETS, FeatureParams
from atft_kedro.market.simulated_drivers import DRIFT, MarketParams
from atft_kedro.market.simulation import SimulatedMarket, simulate_market
from atft_kedro.schema import feature_columns
from factories.datasets import daily_ic, make_ml_dataset
from factories.params import make_params
from factories.simulated_markets import LARGE, NO_EFFECTS, add_realised_returns, mean_and_error


@pytest.mark.slow
def test_without_effects_the_ic_of_every_feature_is_noise() -> None:
    market = simulate_market(make_params(MarketParams, stocks=150, days=700, seed=4, strengths=NO_EFFECTS))
    dataset = make_ml_dataset(
        market.prices.with_columns(vwap=pl.lit(None, pl.Float64)), make_params(FeatureParams, set="wide")
    )
    same_for_all = {f.name for f in FEATURE_SETS["wide"] if f.scope == "market"}
    features = [f for f in feature_columns(dataset.schema) if f not in same_for_all]
    scores = [
        abs(mean) / error for f in features for mean, error in [mean_and_error(daily_ic(dataset, f, "target_1d"))]
    ]

    assert np.mean(np.array(scores) > 2) < 0.12  # about 5 % by chance, and the features go together
    assert max(scores) < 5


def test_planted_effects_are_found_in_the_features() -> None:
    alone = NO_EFFECTS.model_copy(update={"reversal": 0.1})
    market = simulate_market(make_params(MarketParams, stocks=300, days=800, seed=4, strengths=alone))
    dataset = make_ml_dataset(market.prices.with_columns(vwap=pl.lit(None, pl.Float64)), make_params(FeatureParams))
    mean, error = mean_and_error(daily_ic(dataset, "residual_1", "target_1d"))

    assert mean < -4 * error


def test_spillover_comes_from_the_hidden_neighbours_only() -> None:
    market = simulate_market(LARGE)
    rows = add_realised_returns(market).with_columns(
        (pl.col("close") / pl.col("close").shift(1) - 1).over("code").alias("return")
    )
    shuffled = market.neighbours.with_columns(pl.col("neighbour").shuffle(seed=1))

    def neighbours_ic(edges: pl.DataFrame) -> tuple[float, float]:
        pairs = edges.join(rows.select("date", "return", neighbour="code"), on="neighbour")
        signal = pairs.group_by("date", "code").agg(pl.col("return").mean().alias("neighbours_return"))
        return mean_and_error(daily_ic(rows.join(signal, on=["date", "code"]), "neighbours_return", "realised"))

    real, random = neighbours_ic(market.neighbours), neighbours_ic(shuffled)
    assert real[0] > 6 * real[1]
    assert abs(random[0]) < 3 * random[1]


@given(st.integers(2, 25), st.integers(30, 90), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_any_size_gives_possible_prices(stocks: int, days: int, seed: int) -> None:
    prices = simulate_market(make_params(MarketParams, stocks=stocks, days=days, seed=seed)).prices

    assert prices.select("date", "code").is_unique().all()
    assert prices.filter(
        (pl.col("low") <= 0)
        | (pl.col("high") < pl.max_horizontal("open", "close", "low"))
        | (pl.col("low") > pl.min_horizontal("open", "close"))
        | (pl.col("volume") < 0)
        | (pl.col("date").dt.weekday() > 5)
    ).is_empty()


def test_the_simulated_market_has_the_statistics_of_a_market() -> None:
    market = simulate_market(LARGE)
    rows = add_realised_returns(market)
    lives = market.prices.group_by("code").agg(pl.col("date").min().alias("first"), pl.col("date").max().alias("last"))
    first, last = market.prices["date"].min(), market.prices["date"].max()
    daily = rows.group_by("date").agg(pl.col("realised").abs().median().alias("size")).drop_nulls().sort("date")["size"]

    assert kurtosis(rows["realised"].drop_nulls().to_numpy()) > 3  # fat tails
    assert lives.filter(pl.col("first") > first).height > 10  # listings
    assert lives.filter(pl.col("last") < last).height > 10  # delistings
    assert np.corrcoef(daily[:-5], daily[5:])[0, 1] > 0.3  # regimes of volatility
    assert market.prices["sector"].n_unique() == 11


def test_effects_end_after_a_day_and_earlier_prices_are_the_same() -> None:
    until = date(2018, 1, 5)
    forever, ended = (
        simulate_market(LARGE.model_copy(update={"strengths_until": end, "missing_days": 0})) for end in (None, until)
    )
    early, late, known = pl.col("date") <= until, pl.col("date") >= until, pl.col("date") <= until - timedelta(days=40)
    past_oracle = add_realised_returns(SimulatedMarket(ended.prices, forever.oracle, ended.neighbours)).drop_nulls()
    good, bad = (mean_and_error(daily_ic(past_oracle.filter(days), "oracle_1d", "realised")) for days in (early, late))
    expected = ended.oracle.filter(late)["oracle_1d"].drop_nulls()

    assert_frame_equal(ended.prices.filter(early), forever.prices.filter(early))
    assert_frame_equal(ended.oracle.filter(known), forever.oracle.filter(known))
    assert (expected - DRIFT).abs().max() < 1e-12
    assert good[0] > 6 * good[1]
    assert abs(bad[0]) < 3 * bad[1]


def test_the_same_parameters_make_the_same_market() -> None:
    small = make_params(MarketParams, stocks=12, days=60, seed=3)
    once, again, other = (simulate_market(p) for p in (small, small, small.model_copy(update={"seed": 4})))

    assert_frame_equal(once.prices, again.prices)
    assert_frame_equal(once.oracle, again.oracle)
    assert not once.prices["close"].head(50).equals(other.prices["close"].head(50))
