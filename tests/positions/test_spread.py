"""The estimated half-spreads are those of a market with a known bid-ask bounce."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from atft_kedro.evaluation.daily_statistics import Floats
from atft_kedro.positions.costs import BP, assign_buckets
from atft_kedro.positions.spread import FEWEST_PAIRS, SpreadEstimates, estimate_spreads
from factories.bounce import PriceMatrices, add_bounce, half_spread_by_liquidity, make_price_matrices

STOCKS, DAYS = 200, 250
LAST = DAYS - 1


@cache
def make_market(stocks: int = STOCKS, seed: int = 3) -> PriceMatrices:
    return make_price_matrices(stocks, DAYS, seed)


def estimate(prices: PriceMatrices, days: int = DAYS) -> SpreadEstimates:
    return estimate_spreads(prices.high, prices.low, prices.close, days)


def make_buckets(prices: PriceMatrices, buckets: int = 5) -> NDArray[np.int64]:
    return assign_buckets(np.nanmedian(prices.traded_value, axis=0), buckets)


def draw_prices(seed: int, days: int, stocks: int, missing: float = 0.05) -> PriceMatrices:
    """Draw random walks with a share of missing cells; the middle of high and low is not the close."""
    rng = np.random.default_rng(seed)
    log = 3 + 0.02 * rng.standard_normal((days, stocks)).cumsum(0)
    close, up, down = np.exp(log), *rng.uniform(0, 0.02, (2, days, stocks))
    close[rng.uniform(size=close.shape) < missing] = np.nan
    return PriceMatrices(close, close * (1 + up), close * (1 - down), close, close)


def test_the_bounce_is_recovered_by_bucket() -> None:
    half_spread = half_spread_by_liquidity(make_market(), 2 * BP, 60 * BP)
    prices = add_bounce(make_market(), half_spread)
    bucket = make_buckets(prices)

    found = estimate(prices).pool(LAST, bucket)

    errors = [(found - half_spread)[bucket == number].mean() / BP for number in range(5)]
    assert np.abs(errors).max() < 8
    assert np.abs(np.mean(errors)) < 3
    assert np.corrcoef(found, half_spread)[0, 1] > 0.85


@pytest.mark.long
@pytest.mark.parametrize("known", [2, 5, 10, 20, 50])
def test_the_mean_of_all_stocks_is_recovered(known: float) -> None:
    plain = make_market(1000, seed=70)
    prices = add_bounce(plain, np.full(plain.close.shape[1], known * BP))

    found = estimate(prices).pool(LAST, make_buckets(prices, 10)) / BP

    assert abs(found.mean() - known) < (6 if known < 10 else 2)  # a small one is too large: see docs/positions.md


def test_without_a_bounce_the_estimate_is_small() -> None:
    assert estimate(make_market()).pool(LAST, make_buckets(make_market())).mean() < 10 * BP


def test_the_estimate_of_a_stock_equals_a_loop_over_days() -> None:
    prices = draw_prices(3, 60, 4)
    high, low, close = (np.log(values) for values in (prices.high, prices.low, prices.close))
    middle = (high + low) / 2
    means = [(np.nanmean((close - middle)[t]), np.nanmean(close[t] - middle[t + 1])) for t in range(59)]

    found = estimate(prices, days=40)

    for day in (39, 59):
        for stock in range(4):
            products = [
                4 * (close[t] - middle[t] - means[t][0])[stock] * (close[t] - middle[t + 1] - means[t][1])[stock]
                for t in range(day - 39, day)
            ]
            known = np.array(products)[np.isfinite(products)]
            assert len(known) > FEWEST_PAIRS
            assert found.squared[day, stock] == pytest.approx(known.mean(), rel=1e-9)
            assert found.error[day, stock] == pytest.approx(known.var() / len(known), rel=1e-9)


def test_later_days_change_nothing() -> None:
    prices, changed = draw_prices(4, 80, 30), draw_prices(4, 80, 30)
    for values in (changed.high, changed.low, changed.close):
        values[60:] *= np.random.default_rng(5).uniform(0.5, 2, (20, 30))

    assert_allclose(estimate(changed, 50).squared[:60], estimate(prices, 50).squared[:60], rtol=0, atol=0)


def test_moves_of_the_whole_market_change_nothing() -> None:
    prices, bucket = draw_prices(6, 80, 30, missing=0), np.arange(30) % 3
    market = np.exp(0.1 * np.random.default_rng(7).standard_normal((80, 1)).cumsum(0))
    moved = PriceMatrices(*(values * market for values in vars(prices).values()))

    found = estimate(moved, 80).pool(79, bucket)

    assert_allclose(found, estimate(prices, 80).pool(79, bucket), rtol=1e-9, atol=1e-12)


def test_days_without_a_trade_are_omitted() -> None:
    removed, repeated = draw_prices(8, 80, 20), draw_prices(8, 80, 20)
    quiet = np.random.default_rng(9).uniform(size=(80, 20)) < 0.3
    for values in (repeated.high, repeated.low, repeated.close):
        values[quiet] = 20.0
    for values in (removed.high, removed.low, removed.close):
        values[quiet] = np.nan

    assert_allclose(estimate(repeated, 80).squared, estimate(removed, 80).squared)
    assert np.isfinite(estimate(removed, 80).squared[-1]).all()


def test_a_stock_without_data_has_the_mean_of_its_bucket() -> None:
    squared = np.array([[4.0, 4.0, 16.0, np.nan, np.nan]])
    estimates = SpreadEstimates(squared, squared * 0 + 1e9)

    assert estimates.pool(0, np.array([0, 0, 2, 2, 1])).tolist() == pytest.approx([1, 1, 2, 2, 10**0.5 / 2])
    assert np.isnan(SpreadEstimates(squared * np.nan, squared * np.nan).pool(0, np.zeros(5, int))).all()


def test_own_estimates_count_as_far_as_they_are_exact() -> None:
    squared = np.array([[1.0, 9.0]])
    exact, inexact = (SpreadEstimates(squared, np.full((1, 2), error)) for error in (1e-9, 100.0))

    assert exact.pool(0, np.array([0, 0])) == pytest.approx([0.5, 1.5])
    assert inexact.pool(0, np.array([0, 0])) == pytest.approx([5**0.5 / 2] * 2)


@pytest.mark.parametrize("seed", range(5))
def test_means_of_buckets_are_an_isotonic_regression(seed: int) -> None:
    means: Floats = np.random.default_rng(seed).uniform(0, 1, (1, 12)) + np.linspace(0, 1, 12)

    found = SpreadEstimates(means, np.full_like(means, 1e9)).pool(0, np.arange(12))

    assert_allclose((2 * found) ** 2, isotonic_regression(means[0]).x)


def test_the_order_of_the_stocks_is_irrelevant() -> None:
    prices, bucket = draw_prices(10, 60, 40), np.arange(40) % 4
    order = np.random.default_rng(11).permutation(40)
    shuffled = PriceMatrices(*(values[:, order] for values in vars(prices).values()))

    found = estimate(shuffled, 60).pool(59, bucket[order])

    assert_allclose(found, estimate(prices, 60).pool(59, bucket)[order], rtol=1e-9, atol=1e-12)
