"""Correct quantiles by what the validation days showed, after split-conformal prediction."""

from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor

from ..params import InputError, Params
from ..schema import HORIZON, REALISED, SPLIT
from .align import DayStockIndex
from .quantiles import Units, label_returns, quantile_levels

FITTED_ON = "validation"
MEDIAN = 0.5


class HorizonShift(Params):
    """The shift of each quantile over one horizon, and the count of labels it was fitted to."""

    horizon: int
    shifts: tuple[float, ...]
    labels: int


class Corrections(Params):
    """Shifts that give quantiles their nominal coverage; the median is not shifted."""

    levels: tuple[float, ...]
    units: Units  # of forecasts and shifts
    horizons: tuple[HorizonShift, ...]

    def correct(self, quantiles: Tensor, horizons: Sequence[int]) -> Tensor:
        """Shift quantiles (…, horizon, quantile) of these horizons; they remain in order."""
        shifts = {fitted.horizon: fitted.shifts for fitted in self.horizons}
        shift = torch.tensor([shifts[horizon] for horizon in horizons])
        return shift_quantiles(quantiles, shift, self.levels.index(MEDIAN))


def shift_quantiles(quantiles: Tensor, shifts: Tensor, median: int) -> Tensor:
    """Shift quantiles (…, quantile); none crosses a quantile that is nearer to the median."""
    shifted = quantiles + shifts
    below = shifted[..., : median + 1].flip(-1).cummin(-1).values.flip(-1)
    above = shifted[..., median:].cummax(-1).values
    return torch.cat([below, above[..., 1:]], -1)


def fit_corrections(forecasts: pl.DataFrame, units: Units) -> Corrections:
    """Fit the shifts to a run's validation forecasts whose return is known."""
    known = forecasts.filter((pl.col(SPLIT) == FITTED_ON) & pl.col(REALISED).is_finite())
    levels = quantile_levels(forecasts.columns)
    fitted = []
    for horizon in forecasts[HORIZON].unique().sort():
        rows = known.filter(pl.col(HORIZON) == horizon)
        if not len(rows):
            raise InputError(f"Quantiles over {horizon} days cannot be corrected: no validation day has a return.")
        quantiles = torch.from_numpy(rows.select(list(levels)).to_numpy(writable=True))
        shifts = fit_shifts(quantiles, _label_rows(rows, units), list(levels.values()))
        fitted.append(HorizonShift(horizon=horizon, shifts=tuple(shifts), labels=len(rows)))
    return Corrections(levels=tuple(levels.values()), units=units, horizons=tuple(fitted))


def fit_shifts(quantiles: Tensor, label: Tensor, levels: Sequence[float]) -> list[float]:
    """Compute the shift that gives each quantile (label, quantile) its level as coverage.

    Of n labels the shift is the k-th smallest distance, with k next to level * (n + 1): a further label of the same
    distribution lies below the shifted quantile with probability k / (n + 1). Quantiles are fitted from the median
    outwards, because none may cross its inner neighbour: a label inside that neighbour is never below a lower
    quantile and always below an upper one.
    """
    median = list(levels).index(MEDIAN)
    shifts = torch.zeros(len(levels), dtype=torch.float64)
    for column in [*range(median - 1, -1, -1), *range(median + 1, len(levels))]:
        is_lower = column < median
        inner = column + 1 if is_lower else column - 1
        is_below = label <= shift_quantiles(quantiles.double(), shifts, median)[:, inner]
        distance = (label - quantiles[:, column]).double()
        bounded = distance.where(is_below, torch.inf) if is_lower else distance.where(~is_below, -torch.inf)
        shifts[column] = _order_statistic(bounded, levels[column])
    return shifts.tolist()


def _order_statistic(distance: Tensor, level: float) -> float:
    """Return the conformal quantile of distances, clamped to the finite ones; 0 without any."""
    ordered = distance.sort().values
    finite = ordered[ordered.isfinite()]
    if not len(finite):
        return 0.0
    index = min(max(round(level * (len(ordered) + 1)), 1), len(ordered)) - 1
    return float(ordered[index].clamp(finite[0], finite[-1]))


def _label_rows(rows: pl.DataFrame, units: Units) -> Tensor:
    """Transform the returns of rows (row,) into the units of forecasts."""
    index = DayStockIndex.of(rows)
    indexed = index.find(rows)
    actual = index.to_array(indexed, REALISED)
    return label_returns(actual, actual.isfinite(), units).flatten()[torch.from_numpy(indexed.cells)]
