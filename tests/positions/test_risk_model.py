"""The risk model recovers known covariances, and works on incomplete and degenerate returns."""

import numpy as np
import pytest

from atft_kedro.evaluation.daily_statistics import Floats
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import simulate_market
from atft_kedro.positions.risk_model import RiskModel, RiskParams, fit_risk_model
from factories.params import make_params

PARAMS = RiskParams(factors=10, window=252, half_life=21, min_observations=60, shrinkage=0.1)
EQUAL_DAYS = PARAMS.model_copy(update={"half_life": 10_000.0})


def draw_returns(days: int = 252, stocks: int = 200, seed: int = 0) -> tuple[Floats, Floats]:
    """Draw normal returns of a market and three weaker factors; return their covariance too."""
    rng = np.random.default_rng(seed)
    loadings = np.column_stack([rng.normal(1, 0.3, stocks), 0.5 * rng.standard_normal((stocks, 3))]) * 0.01
    specific = 0.015 * np.exp(0.3 * rng.standard_normal(stocks))
    returns = rng.standard_normal((days, 4)) @ loadings.T + specific * rng.standard_normal((days, stocks))
    return returns, loadings @ loadings.T + np.diag(specific**2)


def draw_dynamic_returns(first: int, last: int, days: int = 378, stocks: int = 300) -> tuple[Floats, Floats]:
    """Draw returns with a factor whose exposures are past returns; return the last exposures too."""
    rng = np.random.default_rng(0)
    returns = np.zeros((days, stocks))
    exposures = np.zeros(stocks)
    for day in range(days):
        returns[day] = 0.3 * rng.standard_normal() * exposures + rng.standard_normal(stocks)
        past = returns[max(0, day + 1 - first) : max(0, day + 1 - last)].sum(axis=0)
        exposures = (past - past.mean()) / max(past.std(), 1e-9)
    return 0.02 * returns, exposures


def build_covariance(model: RiskModel) -> Floats:
    """Build the covariance of all stocks."""
    return model.loadings @ model.loadings.T + np.diag(model.specific_variance)


def compare_deviations(weights: Floats, covariance: Floats, model: RiskModel) -> Floats:
    """Divide the true standard deviations of portfolios by the predicted ones."""
    return np.sqrt(np.einsum("ps,st,pt->p", weights, covariance, weights) / model.variance(weights))


def optimise_neutral(model: RiskModel, alphas: Floats) -> Floats:
    """Compute weights (portfolio, stock) of least variance for alphas; their sums are 0."""
    solved = np.linalg.solve(build_covariance(model), np.vstack([np.ones(alphas.shape[1]), alphas]).T).T
    return solved[1:] - solved[1:].sum(axis=1, keepdims=True) * solved[0] / solved[0].sum()


def test_the_variance_of_random_portfolios_is_near_the_true_one() -> None:
    returns, covariance = draw_returns(stocks=300)
    model = fit_risk_model(returns, EQUAL_DAYS)
    weights = np.random.default_rng(1).standard_normal((200, 300))
    ratio = compare_deviations(weights, covariance, model)
    assert ratio == pytest.approx(1, abs=0.12)
    assert ratio.mean() == pytest.approx(1, abs=0.03)
    long_only = compare_deviations(np.abs(weights), covariance, model)
    assert long_only == pytest.approx(1, abs=0.1)  # the market's deviation over 252 days has an error of 4.5 %


def test_the_variance_of_optimised_portfolios_is_near_the_true_one() -> None:
    returns, covariance = draw_returns(stocks=300)
    model = fit_risk_model(returns, EQUAL_DAYS)
    weights = optimise_neutral(model, np.random.default_rng(1).standard_normal((50, 300)))
    assert compare_deviations(weights, covariance, model) == pytest.approx(1, abs=0.06)
    sample = np.cov(returns, rowvar=False) + 1e-12 * np.eye(300)
    naive = np.linalg.solve(sample, np.eye(300)[0])
    assert naive @ covariance @ naive > 100 * naive @ sample @ naive  # the reason for a model


def test_optimised_portfolios_of_the_simulated_market_have_the_predicted_variance() -> None:
    prices = simulate_market(make_params(MarketParams, stocks=150, days=400)).prices
    wide = prices.pivot(on="code", index="date", values="close").sort("date").drop("date").to_numpy()
    returns = wide[1:] / wide[:-1] - 1
    rng, ratios = np.random.default_rng(0), []
    for day in range(252, len(returns) - 10, 10):
        model = fit_risk_model(returns[:day], PARAMS)
        alphas = rng.standard_normal((10, 150)) * np.isfinite(returns[day - 1])
        for weights in (rng.standard_normal((10, 150)), optimise_neutral(model, alphas)):
            realised = (np.nan_to_num(returns[day : day + 10]) @ weights.T) ** 2
            ratios.append((realised / model.variance(weights)).mean())
    random, optimised = np.sqrt(np.reshape(ratios, (-1, 2)).mean(axis=0))
    assert random == pytest.approx(1, abs=0.12)
    assert optimised == pytest.approx(1.02, abs=0.12)


@pytest.mark.parametrize("span", [(5, 0), (126, 5)])
def test_a_factor_of_past_returns_raises_the_variance_along_them(span: tuple[int, int]) -> None:
    returns, exposures = draw_dynamic_returns(*span)
    model = fit_risk_model(returns, EQUAL_DAYS.model_copy(update={"factors": 1}))
    covariance = 0.02**2 * (0.3**2 * np.outer(exposures, exposures) + np.eye(300))
    assert compare_deviations(exposures[None], covariance, model) == pytest.approx(1.1, abs=0.1)
    other = np.random.default_rng(1).permutation(exposures)
    assert model.variance(other) < 0.1 * model.variance(exposures)


def test_the_variance_of_one_portfolio_is_that_of_the_covariance() -> None:
    model = fit_risk_model(draw_returns(stocks=20)[0], PARAMS)
    weights = np.linspace(-1, 1, 20)
    assert model.variance(weights) == pytest.approx(weights @ build_covariance(model) @ weights)
    assert model.volatility == pytest.approx(np.sqrt(np.diag(build_covariance(model))))


def test_the_order_of_stocks_does_not_matter() -> None:
    returns, _ = draw_returns()
    returns[:40, :20] = np.nan
    order = np.random.default_rng(1).permutation(200)
    model, permuted = fit_risk_model(returns, PARAMS), fit_risk_model(returns[:, order], PARAMS)
    assert build_covariance(permuted) == pytest.approx(build_covariance(model)[np.ix_(order, order)], rel=1e-6)
    assert permuted.beta == pytest.approx(model.beta[order])


def test_days_before_the_window_do_not_matter() -> None:
    returns, _ = draw_returns(days=300)
    earlier = returns.copy()
    earlier[:48] *= 10
    assert np.array_equal(fit_risk_model(earlier, PARAMS).loadings, fit_risk_model(returns, PARAMS).loadings)


def test_a_stock_with_twice_the_returns_has_twice_the_volatility() -> None:
    returns, _ = draw_returns()
    doubled = returns * np.where(np.arange(200) == 7, 2, 1)
    ratio = fit_risk_model(doubled, PARAMS).volatility / fit_risk_model(returns, PARAMS).volatility
    assert ratio == pytest.approx(np.where(np.arange(200) == 7, 2, 1))


def test_recent_turbulence_raises_the_volatility_of_every_stock() -> None:
    returns, _ = draw_returns()
    turbulent = returns.copy()
    turbulent[-42:] *= 2
    ratio = fit_risk_model(turbulent, PARAMS).volatility / fit_risk_model(returns, PARAMS).volatility
    assert ratio.mean() == pytest.approx(np.sqrt(0.25 + 0.75 * 4), rel=0.05)  # 42 days are two half-lives
    assert ratio.min() > 1.5


def test_a_recent_turbulence_of_the_market_alone_matters_to_long_portfolios_only() -> None:
    rng = np.random.default_rng(0)
    own = 0.02 * rng.standard_normal((252, 200))
    market = 0.02 * rng.standard_normal((252, 1))
    calm = fit_risk_model(market + own, PARAMS)
    turbulent = fit_risk_model(market * np.where(np.arange(252) < 210, 1, 2)[:, None] + own, PARAMS)
    expected = np.sqrt(0.25 + 0.75 * 4)
    assert np.sqrt(turbulent.variance(np.ones(200)) / calm.variance(np.ones(200))) == pytest.approx(expected, rel=0.1)
    neutral = np.tile([1.0, -1.0], 100)
    assert np.sqrt(turbulent.variance(neutral) / calm.variance(neutral)) == pytest.approx(1, abs=0.1)


def test_shrinkage_moves_specific_variances_towards_their_mean() -> None:
    returns, _ = draw_returns()
    models = [fit_risk_model(returns, PARAMS.model_copy(update={"shrinkage": share})) for share in (0, 0.5, 1)]
    shares = [model.specific_variance / returns.var(axis=0) for model in models]
    assert shares[1] == pytest.approx((shares[0] + shares[2]) / 2)
    assert shares[2].mean() == pytest.approx(shares[0].mean(), rel=0.05)
    assert shares[2].std() < 0.05 * shares[2].mean() < shares[0].std()


def test_a_stock_with_nearly_constant_prices_keeps_a_floor() -> None:
    returns, _ = draw_returns()
    returns[:, 0] *= 1e-6
    volatility = fit_risk_model(returns, PARAMS).volatility
    assert volatility[0] == pytest.approx(0.1 * np.median(volatility), rel=0.1)


def test_stocks_with_few_returns_have_the_median_volatility_and_only_the_market_factor() -> None:
    returns, _ = draw_returns()
    returns[:, 0] = np.nan
    returns[:-30, 1] = np.nan
    returns[:, 2] = 0.0  # a suspended stock
    model = fit_risk_model(returns, PARAMS)
    assert model.volatility[:3] == pytest.approx(np.median(model.volatility[3:]), rel=0.03)
    assert (model.loadings[:3, 1:-2] == 0).all()
    assert np.abs(model.loadings[:3, 0]) == pytest.approx(np.abs(model.loadings[3:, 0].mean()), rel=0.1)
    assert model.beta[[0]] == pytest.approx(1)


def test_beta_is_that_of_the_factor_and_shrinks_to_1_with_few_returns() -> None:
    rng = np.random.default_rng(0)
    true = np.linspace(0.2, 1.8, 100)
    returns = 0.02 * rng.standard_normal((252, 1)) * true + 0.01 * rng.standard_normal((252, 100))
    returns[:-60, -1] = np.nan
    beta = fit_risk_model(returns, PARAMS).beta
    assert beta[:-1] == pytest.approx(1 + (true[:-1] - 1) * 252 / 312, abs=0.15)
    assert beta[-1] == pytest.approx(1.4, abs=0.15)


def test_one_extreme_return_hardly_matters() -> None:
    returns, _ = draw_returns()
    extreme = returns.copy()
    extreme[200, 3] = 10.0
    ratio = fit_risk_model(extreme, PARAMS).volatility / fit_risk_model(returns, PARAMS).volatility
    assert 1 < ratio[3] < 1.3
    assert np.delete(ratio, 3) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1.0, np.nan])
@pytest.mark.parametrize(("days", "stocks"), [(252, 1), (252, 3), (3, 50), (1, 5), (30, 20)])
def test_every_market_has_a_finite_and_positive_variance(days: int, stocks: int, scale: float) -> None:
    model = fit_risk_model(scale * draw_returns(days, stocks)[0], PARAMS)
    assert model.loadings.shape[0] == stocks
    assert (model.specific_variance > 0).all()
    assert np.isfinite([*model.volatility, *model.beta, *model.loadings.ravel()]).all()


def test_a_small_market_has_fewer_factors() -> None:
    returns = 0.01 * np.random.default_rng(0).standard_normal((252, 120))

    assert fit_risk_model(returns, PARAMS).loadings.shape[1] == 2 + 2
    assert fit_risk_model(returns[:, :30], PARAMS).loadings.shape[1] == 1 + 2
