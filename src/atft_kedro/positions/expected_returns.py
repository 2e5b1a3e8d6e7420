"""Expected returns per day held: the forecasts of all horizons, scaled by their slopes on the validation days."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..evaluation.daily_statistics import standard_error
from ..evaluation.position_score import PositionEntry
from ..params import InputError, Params
from ..schema import DATE, FORECAST, HORIZON, SPLIT, HorizonKey
from .costs import assign_buckets
from .price_arrays import Floats, PriceArrays, fill_forward

LARGEST_SCORE = 3.0  # standard deviations
LARGEST_RETURN = 5.0  # robust standard deviations of the day's returns over the stocks, from their median
DISPERSION_HALF_LIFE = 20.0  # days
MIN_SCORED_STOCKS = 5  # of a group: a day with fewer returns is not used for calibration
LIQUIDITY_GROUPS = 3
GROUP_STOCKS = 50  # fewest stocks of such a group


class Calibration(Params):
    """The slopes of returns on forecasts, by horizon, measured on the validation days.

    A horizon has one slope for each liquidity group, the most liquid stocks first. A slope is the expected return over
    the horizon, in standard deviations of the stocks' returns over it, of a stock whose forecast is one standard
    deviation above the day's mean. It is multiplied by t² / (1 + t²), and it is 0 if the measured slope is negative.
    """

    entry: PositionEntry
    slopes: dict[HorizonKey, tuple[float, ...]]
    t: dict[HorizonKey, tuple[float, ...]]
    days: int

    def find_slopes(self, horizon: int, daily_value: Floats) -> Floats:
        """Return the slope of each stock and day (day, stock); 0 for an unknown horizon."""
        slopes = np.array(self.slopes.get(horizon, (0.0,)))
        return slopes[assign_buckets(daily_value, len(slopes))]


class Calibrations(Params):
    """The calibration of each fold, or of the only split."""

    folds: tuple[Calibration, ...]


def entry_prices(arrays: PriceArrays, entry: PositionEntry) -> tuple[Floats, int]:
    """Return the fill prices (day, stock), and the days between a forecast and its fill.

    The price of a delisted stock contains its last return.
    """
    prices = fill_forward(arrays.open) if entry == "next_open" else arrays.marks
    is_delisted = np.arange(len(prices))[:, None] >= arrays.terminal_day
    return np.where(is_delisted, prices * (1 + arrays.terminal_return), prices), 0 if entry == "close" else 1


def centre_returns(returns: Floats) -> Floats:
    """Clip each day's outliers, and subtract its mean over the stocks (day, stock).

    A wrong price, or a stock that gains 4,000 %, would otherwise decide the mean of a year.
    """
    filled = np.where(np.isfinite(returns).any(1, keepdims=True), returns, 0.0)  # no warning for days without returns
    median = np.nanmedian(filled, axis=1, keepdims=True)
    deviation = 1.4826 * np.nanmedian(np.abs(filled - median), axis=1, keepdims=True)
    largest = np.where(deviation > 0, LARGEST_RETURN * deviation, np.inf)  # 0 where most prices did not change
    clipped = np.clip(returns, median - largest, median + largest)
    count = np.isfinite(clipped).sum(1, keepdims=True)
    mean: Floats = np.nansum(clipped, axis=1, keepdims=True) / np.maximum(count, 1)
    return np.subtract(clipped, mean)


def measure_dispersion(returns: Floats) -> Floats:
    """Estimate the standard deviation of a day's returns over the stocks, without outliers.

    It is known at the close of the day. The variances of the days are averaged with exponentially decaying weights.
    """
    centred = centre_returns(returns)
    known = np.isfinite(centred)
    variance = np.where(known, centred, 0.0) ** 2
    decay = 0.5 ** (1 / DISPERSION_HALF_LIFE)
    total = weight = 0.0
    averages = np.full(len(returns), np.nan)
    for day, (squares, count) in enumerate(zip(variance.sum(1), known.sum(1), strict=True)):
        if count >= 2:
            total, weight = decay * total + squares / count, decay * weight + 1
        averages[day] = np.sqrt(total / weight) if weight else np.nan
    return averages


def standardise_forecasts(forecasts: pl.DataFrame, arrays: PriceArrays) -> dict[int, Floats]:
    """Standardise each day's forecasts of each horizon as arrays (day, stock).

    Values are cut at three standard deviations. They are NaN where a stock has no forecast, and 0 if all forecasts of
    a day are equal.
    """
    scores = {}
    for horizon in sorted(forecasts[HORIZON].unique().to_list()):
        rows = arrays.index.find(forecasts.filter(pl.col(HORIZON) == horizon), "forecasts")
        values = arrays.index.to_array(rows, FORECAST)
        values[~np.isfinite(values)] = np.nan
        count = np.isfinite(values).sum(1, keepdims=True)
        mean = np.nansum(values, axis=1, keepdims=True) / np.maximum(count, 1)
        centred = values - mean
        std = np.sqrt(np.nansum(centred**2, axis=1, keepdims=True) / np.maximum(count, 1))
        is_constant = std <= 1e-9 * np.abs(np.where(count, mean, 0)) + 1e-300
        scaled = centred / np.where(is_constant, np.inf, std)
        scores[horizon] = np.clip(scaled, -LARGEST_SCORE, LARGEST_SCORE)
    return scores


def calibrate(
    scores: Mapping[int, Floats], arrays: PriceArrays, entry: PositionEntry, days: NDArray[np.bool_]
) -> Calibration:
    """Measure the slope of returns after the entry on forecasts, on the marked days.

    Returns that end after the last marked day are not used.
    """
    if not days.any():
        raise InputError("Positions need forecasts of validation days, which show how returns follow forecasts.")
    prices, lag = entry_prices(arrays, entry)
    dispersion, end = measure_dispersion(arrays.returns), int(np.flatnonzero(days)[-1]) + 1
    count = int(np.clip(len(arrays.index.codes) // GROUP_STOCKS, 1, LIQUIDITY_GROUPS))
    groups, shrunk = assign_buckets(arrays.daily_value, count), {}
    for horizon, score in scores.items():
        start, stop = np.arange(end - lag - horizon), slice(lag + horizon, end)
        entered = np.where(prices > 0, prices, np.nan)[lag : end - horizon]  # 0 after a delisting return of −1
        realised = prices[stop] / entered - 1
        realised = np.where(np.isfinite(score[start]) & days[start, None], realised, np.nan)
        scaled = centre_returns(realised) / (dispersion[start, None] * np.sqrt(horizon))
        shrunk[horizon] = [
            _shrink(_measure_slopes(score[start], np.where(groups[start] == group, scaled, np.nan)), horizon)
            for group in range(count)
        ]
    return Calibration(
        entry=entry,
        slopes={horizon: tuple(slope for slope, _ in values) for horizon, values in shrunk.items()},
        t={horizon: tuple(t for _, t in values) for horizon, values in shrunk.items()},
        days=int(days.sum()),
    )


def _measure_slopes(score: Floats, returns: Floats) -> Floats:
    """Regress each day's returns on the scores, without a constant (day,); NaN without enough stocks."""
    known = np.isfinite(returns)
    products, squares = (np.where(known, score * values, 0).sum(1) for values in (returns, score))
    is_used = (known.sum(1) >= MIN_SCORED_STOCKS) & (squares > 0)
    slopes: Floats = np.where(is_used, products / np.where(is_used, squares, 1), np.nan)
    return slopes


def _shrink(daily: Floats, horizon: int) -> tuple[float, float]:
    """Shrink the mean slope by its uncertainty; (0, 0) without enough days."""
    known = daily[np.isfinite(daily)]
    error = standard_error(daily, horizon)
    if not np.isfinite(error) or error <= 0:
        return 0.0, 0.0
    mean = float(known.mean())
    t = mean / error
    return max(mean, 0.0) * t**2 / (1 + t**2), t


def weigh_horizons(horizons: list[int], holding_days: float) -> dict[int, float]:
    """Compute the weight of each horizon's expected return in the expected return per day held.

    A position that is sold at the rate k = 1 / holding_days per day is held on day j with probability (1 − k)^(j − 1).
    The return of day j is the mean of its segment: of the days after the next shorter horizon, up to the horizon. For a
    signal that decays by the share φ per day, the result is the signal divided by 1 + φ (1 − k) / k: the aim portfolio
    of "Dynamic Trading with Predictable Returns and Transaction Costs" (Gârleanu and Pedersen, 2013).
    """
    rate = 1 / holding_days
    weights, before = dict.fromkeys(horizons, 0.0), 0
    for index, horizon in enumerate(horizons):
        held = ((1 - rate) ** before - (1 - rate) ** horizon) / (horizon - before)  # mean of k (1 − k)^(j − 1)
        weights[horizon] += held
        if index:
            weights[horizons[index - 1]] -= held
        before = horizon
    return weights


@dataclass(frozen=True)
class ExpectedReturns:
    """Expected returns per day held (day, stock) and the calibration of each fold."""

    per_day: Floats  # NaN where a stock has no forecast
    calibrations: Calibrations


def combine_horizons(
    scores: Mapping[int, Floats], calibration: Calibration, arrays: PriceArrays, holding_days: float
) -> Floats:
    """Combine the expected returns of all horizons (day, stock); an unknown one counts as 0."""
    total, dispersion = np.zeros(arrays.close.shape), measure_dispersion(arrays.returns)
    for horizon, weight in weigh_horizons(sorted(scores), holding_days).items():
        slope = calibration.find_slopes(horizon, arrays.daily_value) * weight * np.sqrt(horizon)
        score = np.where(np.isfinite(scores[horizon]), scores[horizon], 0.0)
        total += slope * score * dispersion[:, None]
    has_forecast = np.any([np.isfinite(score) for score in scores.values()], axis=0)
    return np.where(has_forecast, total, np.nan)


def expect_returns(
    forecasts: pl.DataFrame, arrays: PriceArrays, entry: PositionEntry, holding_days: float, fold: str | None = None
) -> ExpectedReturns:
    """Compute the expected returns on the test days, calibrated on earlier validation days.

    ``fold`` names a column. The test rows of a fold are calibrated by its validation rows and by those of the folds
    that are tested before, so that a calibration becomes more certain from fold to fold.
    """
    total = np.full(arrays.close.shape, np.nan)
    validation_scores: dict[int, Floats] = {}
    calibrations = []
    folds = forecasts.with_columns(_first=pl.col(DATE).filter(pl.col(SPLIT) == "test").min().over(fold or pl.lit(0)))
    for (first,), rows in folds.sort("_first").group_by("_first", maintain_order=True):
        validation = rows.filter(pl.col(SPLIT) == "validation", pl.col(DATE) < first)
        for horizon, score in standardise_forecasts(validation, arrays).items():
            validation_scores[horizon] = np.where(np.isfinite(score), score, validation_scores.get(horizon, np.nan))
        validation_days = np.zeros(len(total), dtype=bool)
        for score in validation_scores.values():
            validation_days |= np.isfinite(score).any(1)
        calibration = calibrate(validation_scores, arrays, entry, validation_days)
        scores = standardise_forecasts(rows.filter(pl.col(SPLIT) == "test"), arrays)
        expected = combine_horizons(scores, calibration, arrays, holding_days)
        total = np.where(np.isfinite(expected), expected, total)
        calibrations.append(calibration)
    return ExpectedReturns(total, Calibrations(folds=tuple(calibrations)))
