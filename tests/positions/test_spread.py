"""The estimated half-spreads are those of a market with a known bid-ask bounce."""

import numpy as np

from atft_kedro.positions.costs import BP, assign_buckets
from atft_kedro.positions.spread import estimate_half_spread
from factories.bounce import add_bounce, half_spread_by_liquidity, make_price_matrices


def test_the_means_of_buckets_are_recovered() -> None:
    plain = make_price_matrices(200, 250)
    known = half_spread_by_liquidity(plain, 2 * BP, 60 * BP)
    prices = add_bounce(plain, known)
    bucket = assign_buckets(np.nanmedian(prices.traded_value, axis=0), 4)

    estimate = estimate_half_spread(prices.high, prices.low, prices.close, bucket)

    for number in range(4):
        error = estimate[bucket == number].mean() - known[bucket == number].mean()
        assert abs(error) < 20 * BP
