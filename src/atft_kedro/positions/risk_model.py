"""The risk of portfolios: a statistical factor model of daily returns, estimated on past returns only."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..evaluation.daily_statistics import Floats
from ..params import Params

LARGEST_RETURN = 10.0  # standard deviations of the stock; larger returns are clipped
UNKNOWN_VOLATILITY = 0.02  # daily, of a market without any return that is not 0
LEAST_VOLATILITY = 0.1  # share of the market's median: suspended stocks and money-market funds have nearly none
LEAST_SPECIFIC_SHARE = 0.05  # of a stock's variance
LEAST_LEVEL = 0.2  # of a day's cross-sectional deviation, in standard deviations
RIDGE = 5.0  # days of zero loadings that the regression of an incomplete stock contains


class RiskParams(Params):
    """Estimation of the risk model on the returns of past days."""

    factors: Annotated[int, Field(ge=1)]
    window: Annotated[int, Field(ge=2)]
    half_life: Annotated[float, Field(gt=0)]
    min_observations: Annotated[int, Field(ge=1)]
    shrinkage: Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class RiskModel:
    """Daily covariance of returns: ``loadings @ loadings.T + diag(specific_variance)``."""

    loadings: Floats  # (stock, factor); the factors have variance 1 and are uncorrelated
    specific_variance: Floats  # (stock,)
    beta: Floats  # (stock,) to the equal-weighted market of the window

    @property
    def volatility(self) -> Floats:
        """Return the total daily standard deviation of each stock: (stock,)."""
        return np.asarray(np.sqrt((self.loadings**2).sum(axis=1) + self.specific_variance))

    def variance(self, weights: Floats) -> Floats:
        """Compute the daily variance of portfolios with ``weights`` (..., stock)."""
        variance: Floats = ((weights @ self.loadings) ** 2).sum(axis=-1) + weights**2 @ self.specific_variance
        return variance


@dataclass(frozen=True)
class _Standardised:
    """Returns in units of their stock's volatility and of their day's level."""

    values: Floats  # (day, stock) with mean square 1 by stock; 0 where unknown
    is_known: NDArray[np.bool_]  # (day, stock), of stocks with enough returns
    volatility: Floats  # (stock,) current daily standard deviation

    @property
    def counts(self) -> NDArray[np.int_]:
        """Return the number of known values of each stock: (stock,)."""
        return np.asarray(self.is_known.sum(axis=0))


def fit_risk_model(returns: Floats, params: RiskParams) -> RiskModel:
    """Fit the model to the last ``window`` days of ``returns`` (day, stock); NaN where unknown."""
    returns = returns[-params.window :]
    is_known = np.isfinite(returns)
    clipped = _clip(np.where(is_known, returns, 0.0), is_known)
    standardised = _standardise(clipped, is_known, params)
    loadings = _load_factors(standardised, params.factors)
    specific = 1 - (loadings**2).sum(axis=1)
    specific += params.shrinkage * (specific.mean() - specific)
    volatility = standardised.volatility
    return RiskModel(
        loadings=loadings * volatility[:, None],
        specific_variance=np.maximum(specific, LEAST_SPECIFIC_SHARE) * volatility**2,
        beta=_fit_beta(clipped, is_known, params.min_observations),
    )


def _clip(returns: Floats, is_known: NDArray[np.bool_]) -> Floats:
    """Clip extreme returns; the second pass has a deviation without them."""
    for _ in range(2):
        mean_size = np.abs(returns).sum(axis=0) / np.maximum(is_known.sum(axis=0), 1)
        limit = LARGEST_RETURN * np.sqrt(np.pi / 2) * mean_size  # a normal variable's deviation
        returns = np.clip(returns, -limit, limit)
    return returns


def _standardise(returns: Floats, is_known: NDArray[np.bool_], params: RiskParams) -> _Standardised:
    """Divide returns by volatilities; stocks with few returns other than 0 have the market's median."""
    counts = (returns != 0).sum(axis=0)
    is_enough = counts >= np.clip(counts.max(initial=0), 1, params.min_observations)
    known = is_known & is_enough
    weights = _decay(len(returns), params.half_life)[:, None] * known
    weights /= np.maximum(weights.sum(axis=0), np.finfo(float).tiny)
    volatility = np.sqrt((weights * returns**2).sum(axis=0))
    median = np.median(volatility[is_enough]) if is_enough.any() else UNKNOWN_VOLATILITY
    volatility = np.where(is_enough, np.maximum(volatility, LEAST_VOLATILITY * median), median)
    values = np.where(known, returns, 0.0)
    deviation = np.sqrt((values**2).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    return _Standardised(values / np.where(deviation > 0, deviation, 1.0), known, volatility)


def _load_factors(standardised: _Standardised, factors: int) -> Floats:
    """Compute the loadings (stock, factor) of principal components, without their sampling noise."""
    values, known, counts = standardised.values, standardised.is_known, standardised.counts
    days = len(values)
    is_enough = counts > 0
    factors = max(1, min(factors, days - 1, int(is_enough.sum()) - 1))
    eigenvalues, vectors = np.linalg.eigh(values @ values.T / days)
    eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
    noise = eigenvalues[factors:].mean() if len(eigenvalues) > factors else 0.0
    components = vectors[:, :factors] * np.sqrt(days)
    loadings = values.T @ components / days
    partial = np.flatnonzero(is_enough & (counts < days))
    products = (components[:, :, None] * components[:, None, :]).reshape(days, -1)
    squares = (known[:, partial].T.astype(float) @ products).reshape(-1, factors, factors)
    right = (values[:, partial].T @ components)[:, :, None]
    loadings[partial] = np.linalg.solve(squares + RIDGE * np.eye(factors), right)[:, :, 0]
    noise_share = noise / np.maximum(eigenvalues[:factors], np.finfo(float).tiny)
    kept = np.clip(1 - noise_share * (days / np.maximum(counts, 1))[:, None], 0, 1)
    market = np.zeros(factors)
    market[0] = loadings[is_enough, 0].mean() if is_enough.any() else 0.0
    return np.where(is_enough[:, None], market + kept * (loadings - market), market)


def _fit_beta(returns: Floats, is_known: NDArray[np.bool_], prior_days: int) -> Floats:
    """Regress returns on their daily mean; the prior is a beta of 1 over ``prior_days`` days."""
    market = returns.sum(axis=1) / np.maximum(is_known.sum(axis=1), 1)
    prior = prior_days * max(float(np.mean(market**2)), np.finfo(float).tiny) if len(market) else 1.0
    beta: Floats = (market @ returns + prior) / (market**2 @ is_known + prior)
    return beta


def _decay(days: int, half_life: float) -> Floats:
    """Compute weights that halve every ``half_life`` days before the last day: (day,)."""
    return np.asarray(0.5 ** (np.arange(days - 1, -1, -1) / half_life), dtype=np.float64)
