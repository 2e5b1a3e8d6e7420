"""The simulated market: it looks like one, and what is planted in it is known exactly."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import kurtosis

from atft_kedro.features.build import FEATURE_SETS, FeatureParams
from atft_kedro.market.oracle import attainable_ic
from atft_kedro.market.simulated_drivers import DRIFT, MarketParams, Strengths, draw_latent
from atft_kedro.market.simulation import SimulatedMarket, simulate_market
from atft_kedro.schema import feature_columns
from factories.datasets import daily_ic, make_ml_dataset
from factories.params import make_params

STILL = Strengths(reversal=0, momentum=0, spillover=0, periodic=0)
LARGE = make_params(MarketParams, stocks=300, days=800, seed=5)


def with_returns(market: SimulatedMarket, horizon: int = 1) -> pl.DataFrame:
    later = (pl.col("close").shift(-horizon) / pl.col("close") - 1).over("code")
    rows = market.prices.sort("code", "date").with_columns(later.alias("answer"))
    return rows.join(market.oracle, on=["date", "code"])


def mean_and_error(ic: pl.Series) -> tuple[float, float]:
    return float(ic.mean()), float(ic.std()) / len(ic) ** 0.5  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_the_oracles_ic_is_what_the_parameters_say(seed: int) -> None:
    params = LARGE.model_copy(update={"seed": seed})

    measured, error = mean_and_error(daily_ic(with_returns(simulate_market(params)), "oracle_1d", "answer"))

    assert abs(measured - attainable_ic(params)) < 3 * error
    assert 0.05 < attainable_ic(params) < 0.15


@pytest.mark.parametrize("effect", ["reversal", "momentum", "spillover", "periodic"])
def test_each_effect_alone_is_worth_what_its_strength_says(effect: str) -> None:
    params = LARGE.model_copy(update={"strengths": STILL.model_copy(update={effect: 0.1})})

    measured, error = mean_and_error(daily_ic(with_returns(simulate_market(params)), "oracle_1d", "answer"))

    assert attainable_ic(params) == pytest.approx(0.1, abs=0.01)
    assert abs(measured - attainable_ic(params)) < 3 * error


def test_without_strengths_the_oracle_knows_nothing_and_the_ic_is_zero() -> None:
    market = simulate_market(LARGE.model_copy(update={"strengths": STILL}))

    assert attainable_ic(LARGE.model_copy(update={"strengths": STILL})) == 0
    days = market.oracle["oracle_1d"].drop_nulls() / DRIFT  # 1, and more over missing days
    assert (days - days.round()).abs().max() < 1e-9
    assert days.max() < 6


@pytest.mark.parametrize(("entry_lag", "horizon"), [(1, 5), (3, 1)])
def test_the_oracle_of_a_later_entry_is_the_best_forecast_of_its_returns(entry_lag: int, horizon: int) -> None:
    params = LARGE.model_copy(update={"entry_lag": entry_lag, "missing_days": 0})
    market = simulate_market(params)
    close = pl.col("close")
    answer = (close.shift(-entry_lag - horizon) / close.shift(-entry_lag) - 1).over("code").alias("answer")
    rows = market.prices.sort("code", "date").with_columns(answer).join(market.oracle, on=["date", "code"])

    best, error = mean_and_error(daily_ic(rows, f"oracle_{horizon}d_lag{entry_lag}", "answer"))
    same_close, _ = mean_and_error(daily_ic(rows, f"oracle_{horizon}d", "answer"))
    assert best > same_close + error


@pytest.mark.parametrize("horizon", [5, 10, 20])
def test_the_oracle_forecasts_longer_horizons_without_bias(horizon: int) -> None:
    rows = with_returns(simulate_market(LARGE), horizon).drop_nulls([f"oracle_{horizon}d", "answer"])
    by_day = rows.select("date", x=pl.col(f"oracle_{horizon}d"), y="answer").with_columns(
        pl.col("x", "y") - pl.col("x", "y").mean().over("date")
    )
    slopes = by_day.group_by("date").agg(slope=(pl.col("x") * pl.col("y")).sum() / (pl.col("x") ** 2).sum())
    blocks = slopes.sort("date").with_row_index().group_by(pl.col("index") // (2 * horizon)).agg(pl.col("slope").mean())

    mean, error = mean_and_error(blocks["slope"])

    assert abs(mean - 1) < 3 * error
    assert mean > 0.5


@pytest.mark.slow
def test_without_strengths_every_features_ic_is_noise() -> None:
    market = simulate_market(make_params(MarketParams, stocks=150, days=700, seed=4, strengths=STILL))
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
    alone = STILL.model_copy(update={"reversal": 0.1})
    market = simulate_market(make_params(MarketParams, stocks=300, days=800, seed=4, strengths=alone))
    dataset = make_ml_dataset(market.prices.with_columns(vwap=pl.lit(None, pl.Float64)), make_params(FeatureParams))
    mean, error = mean_and_error(daily_ic(dataset, "residual_1", "target_1d"))

    assert mean < -4 * error


def test_spillover_comes_from_the_hidden_neighbours_and_from_no_others() -> None:
    market = simulate_market(LARGE)
    rows = with_returns(market).with_columns(
        (pl.col("close") / pl.col("close").shift(1) - 1).over("code").alias("move")
    )
    shuffled = market.neighbours.with_columns(pl.col("neighbour").shuffle(seed=1))

    def neighbours_ic(edges: pl.DataFrame) -> tuple[float, float]:
        near = edges.join(rows.select("date", neighbour="code", move="move"), on="neighbour")
        told = near.group_by("date", "code").agg(pl.col("move").mean().alias("told"))
        return mean_and_error(daily_ic(rows.join(told, on=["date", "code"]), "told", "answer"))

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


def test_it_looks_like_a_market() -> None:
    market = simulate_market(LARGE)
    rows = with_returns(market)
    lives = market.prices.group_by("code").agg(pl.col("date").min().alias("first"), pl.col("date").max().alias("last"))
    first, last = market.prices["date"].min(), market.prices["date"].max()
    daily = rows.group_by("date").agg(pl.col("answer").abs().median().alias("size")).drop_nulls().sort("date")["size"]

    assert kurtosis(rows["answer"].drop_nulls().to_numpy()) > 3  # fat tails
    assert lives.filter(pl.col("first") > first).height > 10  # listings
    assert lives.filter(pl.col("last") < last).height > 10  # delistings
    assert np.corrcoef(daily[:-5], daily[5:])[0, 1] > 0.3  # regimes of volatility
    assert market.prices["sector"].n_unique() == 11


def test_the_same_parameters_make_the_same_market() -> None:
    small = make_params(MarketParams, stocks=12, days=60, seed=3)
    once, again, other = (simulate_market(p) for p in (small, small, small.model_copy(update={"seed": 4})))

    assert_frame_equal(once.prices, again.prices)
    assert_frame_equal(once.oracle, again.oracle)
    assert not once.prices["close"].head(50).equals(other.prices["close"].head(50))


def test_hidden_neighbours_are_others_of_the_same_cluster() -> None:
    params = make_params(MarketParams, stocks=60, days=40)
    latent = draw_latent(params, np.random.default_rng(params.seed))

    assert (latent.cluster[latent.neighbours] == latent.cluster[:, None]).all()
    assert not (latent.neighbours == np.arange(60)[:, None]).any()
