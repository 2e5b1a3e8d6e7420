"""Half-spreads estimated from daily high, low and close prices."""

import numpy as np
from numpy.typing import NDArray

from ..evaluation.daily_statistics import Floats


def estimate_half_spread(high: Floats, low: Floats, close: Floats, bucket: NDArray[np.int64]) -> Floats:
    """Estimate each stock's half-spread as a share of its price, NaN if no stock has data.

    Prices are (day, stock); ``bucket`` (stock,) is the number of the stock's liquidity bucket. The squared spread of
    a stock is four times the mean of (close − middle) (close − next day's middle) of log prices, where the middle is
    that of high and low (Abdi and Ranaldo 2017). It is shrunk to the mean of the stock's bucket.
    """
    squared, error = _squared_spread(np.log(high), np.log(low), np.log(close))
    overall = np.nanmean(squared) if np.isfinite(squared).any() else np.nan
    shrunk = np.full_like(squared, overall)
    for number in np.unique(bucket):
        stocks = bucket == number
        if np.isfinite(squared[stocks]).any():
            shrunk[stocks] = _shrink(squared[stocks], error[stocks])
    return np.sqrt(np.maximum(shrunk, 0)) / 2


def _squared_spread(high: Floats, low: Floats, close: Floats) -> tuple[Floats, Floats]:
    """Compute each stock's mean squared spread and the variance of that mean."""
    middle = (high + low) / 2
    products = 4 * _demean((close - middle)[:-1]) * _demean(close[:-1] - middle[1:])
    known = np.isfinite(products)
    count = known.sum(0)
    mean = np.where(known, products, 0).sum(0) / np.where(count, count, np.nan)
    variance = (np.where(known, products - mean, 0) ** 2).sum(0) / np.where(count > 1, count - 1, np.nan)
    return mean, variance / np.maximum(count, 1)


def _shrink(values: Floats, error: Floats) -> Floats:
    """Shrink values to their mean by the share of their variance that is error; unknown ones are the mean."""
    mean = np.nanmean(values)
    between = max(float(np.nanvar(values)) - float(np.nanmean(error)), 0.0) if np.isfinite(error).any() else 0.0
    weight = between / (between + error) if between > 0 else np.zeros_like(values)
    return np.where(np.isfinite(values * weight), mean + weight * (values - mean), mean)


def _demean(values: Floats) -> Floats:
    """Subtract each day's mean, which is the market's move and only adds error."""
    known = np.isfinite(values)
    mean: Floats = np.where(known, values, 0).sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    return values - mean
