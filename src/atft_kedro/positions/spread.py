"""Half-spreads estimated from daily high, low and close prices."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..evaluation.daily_statistics import Floats

FEWEST_PAIRS = 20  # pairs of days for a stock's own estimate


@dataclass(frozen=True)
class SpreadEstimates:
    """Mean squared spreads of the stocks over the past days.

    Arrays are (day, stock), with NaN where unknown.
    """

    squared: Floats
    error: Floats  # variance of the mean

    def pool(self, day: int, bucket: NDArray[np.int64]) -> Floats:
        """Estimate the half-spreads (stock,) of a day as shares of the price, not below 0.

        ``bucket`` (stock,) numbers the liquidity buckets from the most liquid, 0. The mean squared spread of a bucket
        is at least that of a more liquid one. The estimate of a stock is shrunk to its bucket's mean, and equals it
        where unknown. All are NaN if no stock is known.
        """
        squared, error = self.squared[day], self.error[day]
        known = np.isfinite(error)
        if not known.any():
            return np.full_like(error, np.nan)
        numbers = np.unique(bucket[known])
        means = _make_increasing(np.array([squared[known & (bucket == number)].mean() for number in numbers]))
        prior = np.interp(bucket, numbers, means)
        excess = np.where(known, (squared - prior) ** 2 - error, 0)
        between = np.maximum(np.bincount(bucket, excess) / np.maximum(np.bincount(bucket, known), 1), 0)[bucket]
        weight = between / np.where(between > 0, between + error, 1)
        return np.sqrt(np.maximum(np.where(known, prior + weight * (squared - prior), prior), 0)) / 2


def estimate_spreads(high: Floats, low: Floats, close: Floats, days: int) -> SpreadEstimates:
    """Estimate squared spreads from prices (day, stock), for each day from its last ``days``.

    The squared spread is four times the mean of (close − middle) (close − middle of the next day) of log prices, where
    the middle is that of high and low (Abdi and Ranaldo 2017). Both factors are taken relative to the day's mean of all
    stocks, because the market's moves only add error. Days without a range (no trade, or one) are omitted.
    """
    logs = np.log(close), (np.log(high) + np.log(low)) / 2
    last, middle = (np.where(high > low, values, np.nan) for values in logs)
    products = np.full_like(middle, np.nan)
    products[1:] = 4 * _demean(last[:-1] - middle[:-1]) * _demean(last[:-1] - middle[1:])
    known = np.isfinite(products)
    products[~known] = 0
    count = _rolling_sum(known.astype(float), days - 1)
    count[count < FEWEST_PAIRS] = np.nan
    squared = _rolling_sum(products, days - 1) / count
    return SpreadEstimates(squared, (_rolling_sum(products**2, days - 1) / count - squared**2) / count)


def _demean(values: Floats) -> Floats:
    """Subtract each day's mean of the known values."""
    known = np.isfinite(values)
    mean: Floats = np.where(known, values, 0).sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    return values - mean


def _rolling_sum(values: Floats, days: int) -> Floats:
    """Sum the last ``days`` rows up to each row."""
    total = np.cumsum(values, axis=0)
    total[days:] -= total[:-days].copy()
    return total


def _make_increasing(values: Floats) -> Floats:
    """Compute the isotonic regression: the nearest values that do not decrease."""
    sums = np.concatenate([[0], np.cumsum(values)])
    start, end = np.arange(len(values))[:, None], np.arange(1, len(values) + 1)
    means = (sums[end] - sums[start]) / np.where(end > start, end - start, np.nan)
    return np.array([means[: index + 1, index:].min(1).max() for index in range(len(values))])
