"""Shifts that correct forecast quantiles, fitted to the validation days by split-conformal prediction."""

from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor

from ..panel.index import DayStockIndex
from ..params import InputError, Params
from ..schema import HORIZON, REALISED, SPLIT
from .align import to_tensor
from .quantiles import Units, label_returns, quantile_levels

CALIBRATION_SPLIT = "validation"
MEDIAN = 0.5


class HorizonShifts(Params):
    """The shifts of the quantiles over one horizon."""

    horizon: int
    shifts: tuple[float, ...]
    labels: int  # count of labels that the shifts were fitted to


class Corrections(Params):
    """Shifts that give quantiles their nominal coverage; the median is not shifted."""

    levels: tuple[float, ...]
    units: Units  # of the forecasts and of the shifts
    horizons: tuple[HorizonShifts, ...]

    def correct(self, quantiles: Tensor, horizons: Sequence[int]) -> Tensor:
        """Shift quantiles (…, horizon, quantile) of these horizons; they remain in order."""
        shifts = {fitted.horizon: fitted.shifts for fitted in self.horizons}
        selected = torch.tensor([shifts[horizon] for horizon in horizons])
        return shift_quantiles(quantiles, selected, self.levels.index(MEDIAN))


def shift_quantiles(quantiles: Tensor, shifts: Tensor, median_column: int) -> Tensor:
    """Shift quantiles (…, quantile); each is limited by the quantiles between it and the median."""
    shifted = quantiles + shifts
    below = shifted[..., : median_column + 1].flip(-1).cummin(-1).values.flip(-1)
    above = shifted[..., median_column:].cummax(-1).values
    return torch.cat([below, above[..., 1:]], -1)


def fit_corrections(forecasts: pl.DataFrame, units: Units) -> Corrections:
    """Fit the shifts to a run's validation forecasts with known returns."""
    known = forecasts.filter((pl.col(SPLIT) == CALIBRATION_SPLIT) & pl.col(REALISED).is_finite())
    levels = quantile_levels(forecasts.columns)
    horizon_shifts = []
    for horizon in forecasts[HORIZON].unique().sort():
        rows = known.filter(pl.col(HORIZON) == horizon)
        if not len(rows):
            raise InputError(f"Quantiles over {horizon} days cannot be corrected: no validation return is known.")
        quantiles = torch.from_numpy(rows.select(list(levels)).to_numpy(writable=True))
        shifts = fit_shifts(quantiles, _compute_labels(rows, units), list(levels.values()))
        horizon_shifts.append(HorizonShifts(horizon=horizon, shifts=tuple(shifts), labels=len(rows)))
    return Corrections(levels=tuple(levels.values()), units=units, horizons=tuple(horizon_shifts))


def fit_shifts(quantiles: Tensor, label: Tensor, levels: Sequence[float]) -> list[float]:
    """Compute for each quantile the shift with which the share of labels up to it is its level.

    ``quantiles`` is (label, quantile). With n labels, the shift is the k-th smallest difference of label and quantile,
    with k nearest to level * (n + 1): a new label of the same distribution is at or below the shifted quantile with
    probability k / (n + 1).

    Quantiles are fitted from the median outwards. A lower quantile cannot be above its neighbour nearer to the median,
    so a label above that neighbour is above the lower quantile at any shift: its difference counts as +infinity. For an
    upper quantile, a label up to the neighbour counts as -infinity. If level * (n + 1) selects an infinite difference,
    the shift is the nearest finite one, and the quantile may miss its level.
    """
    median = list(levels).index(MEDIAN)
    shifts = torch.zeros(len(levels), dtype=torch.float64)
    for column in [*range(median - 1, -1, -1), *range(median + 1, len(levels))]:
        is_lower = column < median
        neighbour = shift_quantiles(quantiles.double(), shifts, median)[:, column + 1 if is_lower else column - 1]
        is_free = label <= neighbour if is_lower else label > neighbour
        difference = (label - quantiles[:, column]).double().where(is_free, torch.inf if is_lower else -torch.inf)
        shifts[column] = _select_shift(difference, levels[column])
    return shifts.tolist()


def _select_shift(difference: Tensor, level: float) -> float:
    """Return the conformal quantile of differences, limited to the range of the finite ones; 0 if none is finite."""
    ordered = difference.sort().values
    finite = ordered[ordered.isfinite()]
    if not len(finite):
        return 0.0
    index = min(max(round(level * (len(ordered) + 1)), 1), len(ordered)) - 1
    return float(ordered[index].clamp(finite[0], finite[-1]))


def _compute_labels(rows: pl.DataFrame, units: Units) -> Tensor:
    """Transform the realised return of each row into the units of the forecasts."""
    index = DayStockIndex.of(rows)
    indexed = index.find(rows)
    realised = to_tensor(index, indexed, REALISED)
    return label_returns(realised, realised.isfinite(), units).flatten()[torch.from_numpy(indexed.positions)]
