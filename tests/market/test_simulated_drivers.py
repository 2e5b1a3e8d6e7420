"""Hidden drivers of the simulated market: shocks, neighbours and expected returns."""

import numpy as np
import pytest

from atft_kedro.market.simulated_drivers import (
    LARGEST_SHOCK,
    MarketParams,
    draw_latent,
    draw_returns,
    expect_standardised,
)
from factories.params import make_params
from factories.simulated_markets import NO_EFFECTS


def test_hidden_neighbours_are_others_of_the_same_cluster() -> None:
    params = make_params(MarketParams, stocks=60, days=40)
    latent = draw_latent(params, np.random.default_rng(params.seed))

    assert (latent.cluster[latent.neighbours] == latent.cluster[:, None]).all()
    assert not (latent.neighbours == np.arange(60)[:, None]).any()


def test_shocks_have_variance_one_and_are_shared_within_clusters() -> None:
    params = make_params(MarketParams, stocks=60, days=1500)
    latent = draw_latent(params, np.random.default_rng(1))
    correlation = np.corrcoef(latent.own.T)
    same_cluster = latent.cluster[:, None] == latent.cluster

    assert latent.own.var() == pytest.approx(1, abs=0.05)
    assert np.abs(latent.own).max() <= 2 * LARGEST_SHOCK
    assert correlation[same_cluster & ~np.eye(60, dtype=bool)].mean() == pytest.approx(0.35, abs=0.05)
    assert correlation[~same_cluster].mean() == pytest.approx(0, abs=0.02)


def test_the_expected_return_depends_on_the_planted_effects_only() -> None:
    params = make_params(MarketParams, stocks=20, days=60)
    latent = draw_latent(params, np.random.default_rng(2))
    nothing = params.model_copy(update={"strengths": NO_EFFECTS})
    reversal = params.model_copy(update={"strengths": NO_EFFECTS.model_copy(update={"reversal": 0.2})})

    assert not expect_standardised(latent, nothing, ahead=1).any()
    assert np.allclose(expect_standardised(latent, reversal, ahead=1), -0.2 * latent.own)
    assert not expect_standardised(latent, reversal, ahead=2).any()  # a shock reverses on the next day only


@pytest.mark.parametrize(("until", "days"), [(None, 60), ("2016-01-08", 5), ("2016-01-10", 5), ("2015-12-31", 0)])
def test_effects_are_planted_until_a_day(until: str | None, days: int) -> None:
    """2016-01-04, the first day of the market, is a Monday."""
    assert make_params(MarketParams, stocks=20, days=60, strengths_until=until).planted_days == days


def test_no_return_loses_more_than_everything() -> None:
    params = make_params(MarketParams, stocks=30, days=200)
    rng = np.random.default_rng(3)

    returns = draw_returns(draw_latent(params, rng), params, rng)

    assert np.isfinite(returns).all()
    assert returns.min() >= -0.95
