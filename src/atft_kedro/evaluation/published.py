"""Metrics as papers on stock ranking compute them.

They follow the evaluation of "Temporal Relational Ranking for Stock Prediction" (Feng et al., 2019), which later papers
adopted. All stocks count on every day: a stock without a forecast or a return is the point (0, 0) of the correlation.
"""

import numpy as np
import polars as pl

from ..panel.index import DayStockIndex
from ..params import Params
from ..schema import FORECAST, REALISED
from .daily_statistics import finite_or_none

PRECISION_STOCKS, PORTFOLIO_STOCKS = 10, 5  # best stocks of a day
ANNUAL_FACTOR = 15.87  # square root of the trading days per year, as in the papers


class PublishedScore(Params):
    """Metrics as in papers; the last two hardly depend on skill."""

    ic: float | None  # mean of the daily Pearson correlations
    ric: float | None  # called rank IC in the papers: that mean divided by the standard deviation (ddof 0)
    precision: float | None  # share of the ten highest forecasts whose return is not negative
    sharpe: float | None  # Sharpe ratio of the mean return of the five highest forecasts, without costs


def score_as_published(forecasts: pl.DataFrame) -> PublishedScore:
    """Score forecasts of one horizon by their realised returns, which are null where unknown."""
    index = DayStockIndex.of(forecasts)
    indexed = index.find(forecasts)
    forecast, target = (index.to_array(indexed, name) for name in (FORECAST, REALISED))
    is_known = np.isfinite(forecast) & np.isfinite(target)
    forecast, target = np.where(is_known, forecast, 0.0), np.where(is_known, target, 0.0)
    correlations, precisions, returns = [], [], []
    for day_forecast, day_target, known in zip(forecast, target, is_known, strict=True):
        if day_forecast.std() > 0 and day_target.std() > 0:
            correlations.append(np.corrcoef(day_forecast, day_target)[0, 1])
        order = [stock for stock in np.argsort(day_forecast)[::-1] if known[stock]]
        if not order:
            continue  # no return is known on this day
        precisions.append((day_target[order[:PRECISION_STOCKS]] >= 0).sum() / PRECISION_STOCKS)
        returns.append(day_target[order[:PORTFOLIO_STOCKS]].sum() / PORTFOLIO_STOCKS)
    has_order = len(correlations) > 0
    sharpe = _mean(returns) / np.std(returns) * ANNUAL_FACTOR if has_order and len(returns) > 1 else np.nan
    return PublishedScore(
        ic=finite_or_none(_mean(correlations)),
        ric=finite_or_none(_mean(correlations) / np.std(correlations) if len(correlations) > 1 else np.nan),
        precision=finite_or_none(_mean(precisions) if has_order else np.nan),
        sharpe=finite_or_none(sharpe),
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else np.nan
