"""What the published tables of stock ranking count: written out as they count it, so that their numbers stand beside.

After the evaluation that "Temporal Relational Ranking for Stock Prediction" (Feng et al., 2019) began and later tables
took over. All stocks count on every day: those without a forecast or a return lie at (0, 0) in the correlation.
"""

import numpy as np
import polars as pl

from ..params import Params
from ..schema import CODE, DATE, FORECAST, REALISED
from .daily_statistics import Floats, or_none

BEST, BOUGHT = 10, 5  # stocks of a day
YEAR = 15.87  # their square root of a year's trading days


class PublishedScore(Params):
    """The columns of those tables; none is what its name says elsewhere, and the last two tell nobody apart."""

    ic: float | None  # mean of the daily Pearson correlations
    ric: float | None  # called rank IC there: that mean over their deviation (of a population)
    precision: float | None  # share of the ten highest forecasts whose return is not negative
    sharpe: float | None  # mean over deviation of the five highest's mean return, times 15.87


def score_as_published(said: pl.DataFrame) -> PublishedScore:
    """Score forecasts of one horizon: date, code, forecast, target (null where it is unknown)."""
    forecast, target = (_lay(said, name) for name in (FORECAST, REALISED))
    is_known = np.isfinite(forecast) & np.isfinite(target)
    forecast, target = np.where(is_known, forecast, 0.0), np.where(is_known, target, 0.0)
    correlations, precisions, earned = [], [], []
    for told, came, known in zip(forecast, target, is_known, strict=True):
        if told.std() > 0 and came.std() > 0:
            correlations.append(np.corrcoef(told, came)[0, 1])
        order = [stock for stock in np.argsort(told)[::-1] if known[stock]]
        if not order:
            continue  # no return is known on this day
        precisions.append((came[order[:BEST]] >= 0).sum() / BEST)
        earned.append(came[order[:BOUGHT]].sum() / BOUGHT)
    has_order = len(correlations) > 0
    return PublishedScore(
        ic=or_none(_mean(correlations)),
        ric=or_none(_mean(correlations) / np.std(correlations) if len(correlations) > 1 else np.nan),
        precision=or_none(_mean(precisions) if has_order else np.nan),
        sharpe=or_none(_mean(earned) / np.std(earned) * YEAR if has_order and len(earned) > 1 else np.nan),
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else np.nan


def _lay(said: pl.DataFrame, name: str) -> Floats:
    """Lay a column out (day, stock), NaN where there is no row."""
    day, stock = (said[key].rank("dense").to_numpy() - 1 for key in (DATE, CODE))
    whole = np.full((int(day.max()) + 1, int(stock.max()) + 1), np.nan)
    whole[day, stock] = said[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return whole
