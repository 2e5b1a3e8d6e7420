"""The risk of portfolios: a factor model of daily returns, estimated on past returns only.

1. Returns are divided by their stock's deviation and by their day's level, so that no few days dominate.
2. Principal components are the first factors. The noise of their eigenvalues shrinks the loadings, those of the first
   towards their mean; specific variance replaces it. Otherwise optimised portfolios prefer stocks whose loadings are
   too small by chance (Goldberg, Papanicolaou and Shkolnik 2022; Donoho, Gavish and Johnstone 2018).
3. Past returns over two spans are the last factors, their exposures change daily: portfolios that bet on momentum or
   reversal have a risk which constant loadings miss (Lee and Stefek 2008). A regression over stocks of what the
   components do not explain gives the factors' returns (as in Menchero, Orr and Wang 2011).
4. Exponential weights give the current variances of the factors and of the level (RiskMetrics 1996).
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..evaluation.daily_statistics import Floats
from ..params import Params

LARGEST_RETURN = 10.0  # standard deviations of the stock; larger returns are clipped
STOCKS_PER_FACTOR = 50  # or more: with fewer, components follow single stocks, and their forecasts count as risk
LARGEST_EXPOSURE = 3.0  # standard deviations over stocks
SPANS = ((126, 5), (5, 0))  # days: sums of the returns since the first one, without those since the second one
UNKNOWN_VOLATILITY = 0.02  # daily, of a market without any return that is not 0
LEAST_VOLATILITY = 0.1  # share of the market's median: suspended stocks and money-market funds have nearly none
LEAST_SPECIFIC_SHARE = 0.05  # of a stock's variance
PRIOR_STOCKS = 10.0  # with a level of 1; few stocks do not measure the level of a day
PRIOR_DAYS = 5.0  # with loadings of 0, in the regression of a stock with unknown returns


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
    """Returns divided by the deviation of their stock and by the level of their day."""

    values: Floats  # (day, stock) with mean square 1 by stock; 0 where unknown
    is_known: NDArray[np.bool_]  # (day, stock), of stocks with enough returns
    deviation: Floats  # (stock,)
    level: Floats  # (day,)

    @property
    def counts(self) -> NDArray[np.int_]:
        """Return the number of known values of each stock: (stock,)."""
        return np.asarray(self.is_known.sum(axis=0))


def fit_risk_model(returns: Floats, params: RiskParams) -> RiskModel:
    """Fit the model to the last ``window`` days of ``returns`` (day, stock); NaN where unknown.

    A stock with fewer than ``min_observations`` returns other than 0 has the median volatility and only the market's
    factor.
    """
    returns = returns[-params.window :]
    is_known = np.isfinite(returns)
    returns = _clip(np.where(is_known, returns, 0.0), is_known)
    standardised = _standardise(returns, is_known, params.min_observations)
    factors = min(params.factors, max(returns.shape[1] // STOCKS_PER_FACTOR, 1))
    components, constant = _load_components(standardised, factors)
    weights = 0.5 ** (np.arange(len(returns))[::-1] / params.half_life)
    weights *= standardised.level**2 / weights.sum()
    variance = weights.sum()
    changing = _load_past_returns(standardised, components, constant, weights / variance)
    specific = 1 - (constant**2).sum(axis=1) - (changing**2).sum(axis=1)
    specific += params.shrinkage * (_mean(specific, standardised.counts > 0, default=1.0) - specific)
    current = constant * np.sqrt(weights @ components**2 / variance)
    volatility = standardised.deviation * np.sqrt(variance)
    return RiskModel(
        loadings=np.hstack([current, changing]) * volatility[:, None],
        specific_variance=np.maximum(specific, LEAST_SPECIFIC_SHARE) * volatility**2,
        beta=_fit_beta(returns, is_known, params.min_observations),
    )


def _clip(returns: Floats, is_known: NDArray[np.bool_]) -> Floats:
    """Clip extreme returns; the second pass has a deviation without them."""
    for _ in range(2):
        mean_size = np.abs(returns).sum(axis=0) / np.maximum(is_known.sum(axis=0), 1)
        limit = LARGEST_RETURN * np.sqrt(np.pi / 2) * mean_size  # a normal variable's deviation
        returns = np.clip(returns, -limit, limit)
    return returns


def _standardise(returns: Floats, is_known: NDArray[np.bool_], min_observations: int) -> _Standardised:
    """Divide returns by deviations and levels; stocks with few returns have the median deviation."""
    counts = (returns != 0).sum(axis=0)
    is_enough = counts >= np.clip(counts.max(initial=0), 1, min_observations)
    known = is_known & is_enough
    days, stocks = np.maximum(known.sum(axis=0), 1), known.sum(axis=1)
    returns = np.where(known, returns, 0.0)
    level = np.ones(len(returns))
    for _ in range(2):
        deviation = np.sqrt(((returns / level[:, None]) ** 2).sum(axis=0) / days)
        values = returns / np.where(is_enough, deviation, 1.0)
        squares = (values**2).sum(axis=1) - values.sum(axis=1) ** 2 / np.maximum(stocks, 1)
        level = np.sqrt((squares + PRIOR_STOCKS) / (stocks + PRIOR_STOCKS))
    values = returns / level[:, None]
    deviation = np.sqrt((values**2).sum(axis=0) / days)
    median = np.median(deviation[is_enough]) if is_enough.any() else UNKNOWN_VOLATILITY
    known_deviation = np.where(is_enough, deviation, median)
    return _Standardised(values / known_deviation, known, np.maximum(known_deviation, LEAST_VOLATILITY * median), level)


def _load_components(standardised: _Standardised, factors: int) -> tuple[Floats, Floats]:
    """Compute principal components (day, factor) of variance 1 and their loadings (stock, factor)."""
    values, counts, days = standardised.values, standardised.counts, len(standardised.values)
    is_enough = counts > 0
    factors = max(1, min(factors, days - 1, int(is_enough.sum()) - 1))
    eigenvalues, vectors = np.linalg.eigh(values @ values.T / days)  # ascending
    noise = _mean(eigenvalues, np.arange(days) < days - factors, default=0.0)
    components = vectors[:, ::-1][:, :factors] * np.sqrt(days)
    loadings = values.T @ components / days
    partial = np.flatnonzero(is_enough & (counts < days))
    products = (components[:, :, None] * components[:, None, :]).reshape(days, -1)
    squares = (standardised.is_known[:, partial].T.astype(float) @ products).reshape(-1, factors, factors)
    sums = (loadings[partial] * days)[:, :, None]
    loadings[partial] = np.linalg.solve(squares + PRIOR_DAYS * np.eye(factors), sums)[:, :, 0]
    noise_share = noise / np.maximum(eigenvalues[::-1][:factors], np.finfo(float).tiny)
    kept = np.clip(1 - noise_share * (days / np.maximum(counts, 1))[:, None], 0, 1)
    market = np.zeros(factors)
    market[0] = _mean(loadings[:, 0], is_enough, default=0.0)
    return components, np.where(is_enough[:, None], market + kept * (loadings - market), market)


def _load_past_returns(standardised: _Standardised, components: Floats, loadings: Floats, weights: Floats) -> Floats:
    """Compute the loadings (stock, factor) on the factors of past returns, of the last day."""
    values, known = standardised.values, standardised.is_known
    exposures = np.stack([_expose(values, known, *span) for span in SPANS])  # (factor, day, stock)
    last = exposures[:, -1]
    exposures -= exposures @ np.linalg.pinv(loadings).T @ loadings.T
    exposures = np.where(known, exposures, 0.0)[:, :-1].swapaxes(0, 1)  # (day, factor, stock)
    is_complete = np.arange(1, len(values)) >= min(SPANS[0][0], len(values) // 2)  # the sums before lack days
    weights = weights[1:] * is_complete / max((weights[1:] * is_complete).sum(), np.finfo(float).tiny)
    rest = np.where(known, values - components @ loadings.T, 0.0)[1:]
    inverse = np.linalg.inv(exposures @ exposures.swapaxes(1, 2) + np.eye(len(SPANS)))
    returns = (inverse @ exposures @ rest[:, :, None])[:, :, 0]  # of the factors, (day, factor)
    noise = (rest**2).sum() / max(known[1:].sum(), 1) * np.tensordot(weights, inverse, axes=1)
    eigenvalues, vectors = np.linalg.eigh(returns.T @ (weights[:, None] * returns) - noise)
    return np.asarray(last.T @ (vectors * np.sqrt(np.maximum(eigenvalues, 0))))


def _expose(values: Floats, known: NDArray[np.bool_], first: int, last: int) -> Floats:
    """Standardise over stocks the sums of past values from ``first`` days back to ``last``: (day, stock)."""
    total = np.vstack([np.zeros((1, values.shape[1])), values.cumsum(axis=0)])
    end = np.arange(1, len(total))
    sums = total[np.maximum(end - last, 0)] - total[np.maximum(end - first, 0)]
    stocks = np.maximum(known.sum(axis=1, keepdims=True), 1)
    sums = np.where(known, sums - sums.sum(axis=1, keepdims=True, where=known) / stocks, 0.0)
    deviation = np.sqrt((sums**2).sum(axis=1, keepdims=True) / stocks)
    scaled = sums / np.where(deviation > 0, deviation, 1.0)
    return np.clip(scaled, -LARGEST_EXPOSURE, LARGEST_EXPOSURE)


def _fit_beta(returns: Floats, is_known: NDArray[np.bool_], prior_days: int) -> Floats:
    """Regress returns on their daily mean; the prior is a beta of 1 over ``prior_days`` days."""
    market = returns.sum(axis=1) / np.maximum(is_known.sum(axis=1), 1)
    prior = prior_days * max(float(np.mean(market**2)), np.finfo(float).tiny)
    beta: Floats = (market @ returns + prior) / (market**2 @ is_known + prior)
    return beta


def _mean(values: Floats, mask: NDArray[np.bool_], default: float) -> float:
    """Average the values in ``mask``; ``default`` without any."""
    return float(values[mask].mean()) if mask.any() else default
