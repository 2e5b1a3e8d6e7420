"""Metrics against SciPy, and undefined metrics."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from atft_kedro import metrics


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), stocks=st.integers(3, 60), levels=st.integers(2, 40))
def test_correlations_and_ranks_are_scipys_with_gaps_and_ties(seed: int, stocks: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    x = random.integers(0, levels, (4, stocks)).astype(np.float64)
    y = random.normal(size=(4, stocks)).round(1)
    x[random.random(x.shape) < 0.2] = np.nan
    forecast, actual = torch.from_numpy(x), torch.from_numpy(y)

    ic, rank_ic = metrics.daily_ic(forecast, actual), metrics.daily_rank_ic(forecast, actual)

    for day in range(4):
        known = np.isfinite(x[day])
        a, b = x[day][known], y[day][known]
        if known.sum() < 3 or len(set(a)) < 2 or len(set(b)) < 2:
            assert np.isnan(ic[day])
            assert np.isnan(rank_ic[day])
        else:
            assert abs(float(ic[day]) - stats.pearsonr(a, b)[0]) < 1e-10
            assert abs(float(rank_ic[day]) - stats.spearmanr(a, b)[0]) < 1e-10
        ranks = metrics.ranks(forecast[day], forecast[day].isfinite())
        assert np.allclose(ranks[torch.from_numpy(known)], stats.rankdata(a))


def test_a_perfect_forecast_scores_one_and_a_reversed_one_minus_one() -> None:
    actual = torch.randn(5, 50)

    for metric in (metrics.daily_ic, metrics.daily_rank_ic):
        assert (metric(actual, actual) - 1).abs().max() < 1e-6
        assert (metric(-actual, actual) + 1).abs().max() < 1e-6


def test_a_constant_forecast_is_undefined_and_no_number() -> None:
    actual = torch.randn(3, 20)

    for constant in (0.0, 1.0, 0.1, 1e6):
        assert metrics.daily_ic(torch.full((3, 20), constant), actual).isnan().all()
        assert metrics.daily_rank_ic(torch.full((3, 20), constant), actual).isnan().all()


def test_the_scale_compares_deviations() -> None:
    actual = torch.randn(3, 400, dtype=torch.float64)

    assert torch.allclose(metrics.daily_scale(actual * 0.25, actual), torch.full((3,), 0.25, dtype=torch.float64))
    assert torch.allclose(metrics.deviation(actual, actual.isfinite()), actual.std(-1, correction=0))
