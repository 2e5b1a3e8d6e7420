"""Quantiles moved to where the validation days say they belong, after split-conformal prediction."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from torch import Tensor

from ..params import InputError, Params
from ..schema import CODE, DATE, HORIZON, REALISED, SPLIT
from .quantiles import Units, label_returns, levels_of

FITTED_ON = "validation"
MEDIAN = 0.5


class HorizonShift(Params):
    """By how much each quantile of a horizon's forecasts is moved, and how many labels say so."""

    horizon: int
    shifts: tuple[float, ...]
    labels: int


class Corrections(Params):
    """What makes quantiles cover what they say. The median, which is the point forecast, stays where it is."""

    levels: tuple[float, ...]
    units: Units  # that forecasts and shifts are written in
    horizons: tuple[HorizonShift, ...]

    def correct(self, quantiles: Tensor, horizons: Sequence[int]) -> Tensor:
        """Move quantiles (…, horizon, quantile), whose horizons are in this order; they stay in order."""
        fitted = {each.horizon: each.shifts for each in self.horizons}
        return move(quantiles, torch.tensor([fitted[horizon] for horizon in horizons]), self.levels.index(MEDIAN))


def move(quantiles: Tensor, shifts: Tensor, middle: int) -> Tensor:
    """Shift quantiles (…, quantile), none across one that lies nearer to the middle."""
    moved = quantiles + shifts
    below = moved[..., : middle + 1].flip(-1).cummin(-1).values.flip(-1)
    above = moved[..., middle:].cummax(-1).values
    return torch.cat([below, above[..., 1:]], -1)


def fit_corrections(forecasts: pl.DataFrame, units: Units) -> Corrections:
    """Fit the shifts to the validation days of a run's forecasts, with the returns that came."""
    known = forecasts.filter((pl.col(SPLIT) == FITTED_ON) & pl.col(REALISED).is_finite())
    names = levels_of(forecasts.columns)
    shifts = []
    for horizon in forecasts[HORIZON].unique().sort():
        rows = known.filter(pl.col(HORIZON) == horizon)
        if not len(rows):
            raise InputError(f"Quantiles over {horizon} days cannot be corrected: no validation day has a return.")
        quantiles = torch.from_numpy(rows.select(list(names)).to_numpy(writable=True))
        fitted = fit_shifts(quantiles, _label(rows, units), list(names.values()))
        shifts.append(HorizonShift(horizon=horizon, shifts=tuple(fitted), labels=len(rows)))
    return Corrections(levels=tuple(names.values()), units=units, horizons=tuple(shifts))


def fit_shifts(quantiles: Tensor, label: Tensor, levels: Sequence[float]) -> list[float]:
    """Find the shift of each quantile (label, quantile) that leaves the share of labels it should below it.

    Of n labels that is the k-th smallest distance, k next to level (n + 1): a further label of the same kind lies
    below with the probability k / (n + 1). Quantiles are fitted from the median outwards, for none crosses the one
    inside it: what lies on its inner side of that one is below a lower quantile never and below an upper one always.
    """
    middle = list(levels).index(MEDIAN)
    shifts = torch.zeros(len(levels), dtype=torch.float64)
    outwards = [*range(middle - 1, -1, -1), *range(middle + 1, len(levels))]
    for place in outwards:
        inner = place + 1 if place < middle else place - 1
        is_below = label <= move(quantiles.double(), shifts, middle)[:, inner]
        distance = (label - quantiles[:, place]).double()
        bounded = distance.where(is_below, torch.inf) if place < middle else distance.where(~is_below, -torch.inf)
        shifts[place] = _order_statistic(bounded, levels[place])
    return shifts.tolist()


def _order_statistic(distance: Tensor, level: float) -> float:
    """Take the distance that a share of them does not exceed, the nearest finite one where it is none."""
    ordered = distance.sort().values
    finite = ordered[ordered.isfinite()]
    if not len(finite):
        return 0.0
    place = min(max(round(level * (len(ordered) + 1)), 1), len(ordered)) - 1
    return float(ordered[place].clamp(finite[0], finite[-1]))


def _label(rows: pl.DataFrame, units: Units) -> Tensor:
    """Write the returns of some rows (row,) as forecasts are written."""
    day, stock = ((rows[name].rank("dense") - 1).cast(pl.Int64).to_numpy() for name in (DATE, CODE))
    cells = np.full((day.max() + 1, stock.max() + 1), np.nan)
    cells[day, stock] = rows[REALISED].to_numpy()
    actual = torch.from_numpy(cells)
    return torch.from_numpy(label_returns(actual, actual.isfinite(), units).numpy()[day, stock])
