"""The risk model recovers a known covariance, and works on incomplete and degenerate returns."""

import numpy as np
import pytest

from atft_kedro.positions.risk_model import RiskParams, fit_risk_model

PARAMS = RiskParams(factors=10, window=252, half_life=21, min_observations=60, shrinkage=0.1)


def draw_returns(days: int = 252, stocks: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw returns of a market and three weaker factors, and their true covariance."""
    rng = np.random.default_rng(seed)
    loadings = np.column_stack([rng.normal(1, 0.3, stocks), 0.5 * rng.standard_normal((stocks, 3))]) * 0.01
    specific = 0.015 * np.exp(0.3 * rng.standard_normal(stocks))
    returns = rng.standard_normal((days, 4)) @ loadings.T + specific * rng.standard_normal((days, stocks))
    return returns, loadings @ loadings.T + np.diag(specific**2)


def test_the_variance_of_random_portfolios_is_near_the_true_one() -> None:
    returns, covariance = draw_returns(stocks=300)
    model = fit_risk_model(returns, PARAMS.model_copy(update={"half_life": 1000.0}))
    weights = np.random.default_rng(1).standard_normal((200, 300))
    true = np.einsum("ps,st,pt->p", weights, covariance, weights)
    assert np.sqrt(model.variance(weights) / true) == pytest.approx(1, abs=0.1)
    assert np.sqrt(np.mean(model.variance(weights) / true)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("days", "stocks"), [(252, 1), (3, 50), (1, 5), (252, 3)])
def test_small_markets_have_a_positive_variance(days: int, stocks: int) -> None:
    returns, _ = draw_returns(days, stocks)
    model = fit_risk_model(returns, PARAMS)
    assert model.loadings.shape[0] == stocks
    assert np.isfinite(model.loadings).all() and np.isfinite(model.beta).all()
    assert (model.specific_variance > 0).all() and np.isfinite(model.volatility).all()
