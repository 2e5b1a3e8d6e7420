"""Rules that look for the future in the features."""

from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from ..schema import CODE, DATE
from .dataset import InspectedDataset
from .finding import RuleParams, RuleResult, columns_at_fault, skip

SAME = 0.9999  # correlation from which on two columns say the same
ERRORS, LEAST_DAYS = 6, 20  # a mean over few stocks and overlapping answers strays far from zero by chance
LATER = 2  # observations into the future that a shifted target is looked for


class LeakParams(RuleParams):
    """The mean daily correlation with a target from which on a feature is too good to be true."""

    max_ic: Annotated[float, Field(gt=0, le=1)] = 0.4


def check_leak(data: InspectedDataset, params: LeakParams) -> RuleResult:
    """Correlate every feature with every target inside sampled days."""
    if not data.features or not data.targets:
        return skip("nothing to correlate")
    mean, sure = daily_ics(data.sampled_days, data.features, data.targets)
    found = _table(data, mean, (np.abs(mean) > params.max_ic) & sure, "ic")
    advice = (
        "No honest feature is that good. Look for prices after the day in its definition, or raise guard.leak.max_ic."
    )
    return columns_at_fault("features that correlate suspiciously with a target", found, advice)


def daily_ics(
    days: pl.DataFrame, features: list[str], targets: dict[str, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Average the daily correlations of features with targets, and mark those that are clearly not zero.

    ``days`` is sorted by date; ``targets`` maps columns to horizons. Where nothing can be correlated the mean is 0.
    """
    sizes = days.group_by(DATE, maintain_order=True).len()["len"].to_numpy()
    borders = np.cumsum(sizes)[:-1]
    x, y = _matrix(days, features), _matrix(days, list(targets))
    pairs = zip(np.split(x, borders), np.split(y, borders), strict=True)
    ics = np.ma.masked_invalid([correlate(*pair) for pair in pairs])
    apart = ics.count(axis=0) / np.array(list(targets.values()))  # days whose targets share no return
    mean, error = ics.mean(axis=0), ics.std(axis=0) / np.sqrt(np.maximum(apart, 1))
    sure = (np.abs(mean) > ERRORS * error) & (ics.count(axis=0) >= LEAST_DAYS)
    return np.ma.filled(mean, 0.0), np.ma.filled(sure, False)


class ShiftParams(RuleParams):
    """The entry lag of the targets: a target holds the future for its horizon and this."""

    entry_lag: Annotated[int, Field(ge=0)] = 0


def check_shifted_target(data: InspectedDataset, params: ShiftParams) -> RuleResult:
    """Look for features that are a target moved by so few observations that it still holds the future."""
    if not data.features or not data.targets:
        return skip("nothing to compare")
    stocks = data.sampled_stocks
    moved = {
        (name, shift): pl.col(name).shift(shift).over(CODE).alias(f"{name} moved by {shift}")
        for name, horizon in data.targets.items()
        for shift in range(-LATER, horizon + params.entry_lag)
    }
    columns = stocks.select(moved.values())
    r = correlate(_matrix(stocks, data.features), _matrix(columns, columns.columns))
    strength = np.where(np.isfinite(r), np.abs(r), 0)  # what cannot be correlated says nothing
    place, best = strength.argmax(axis=1), strength.max(axis=1)
    found = pl.DataFrame(
        {
            "column": data.features,
            "same as": [columns.columns[each] for each in place],
            "correlation": best.round(6),
        }
    ).filter(pl.Series(best > SAME))
    return columns_at_fault("features that are a target moved in time", found, "Remove them: they hold the answer.")


def correlate(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate the columns of ``x`` with those of ``y`` over the rows where both are known; NaN where undefined."""
    known_x, known_y = np.isfinite(x).astype(np.float64), np.isfinite(y).astype(np.float64)
    x, y = _centred(x), _centred(y)
    n = known_x.T @ known_y
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y = (x.T @ known_y) / n, (known_x.T @ y) / n
        covariance = (x.T @ y) / n - mean_x * mean_y
        variance_x = ((x**2).T @ known_y) / n - mean_x**2
        variance_y = (known_x.T @ (y**2)) / n - mean_y**2
        r = covariance / np.sqrt(variance_x * variance_y)
    r[(n < 3) | (variance_x < 1e-12) | (variance_y < 1e-12)] = np.nan
    return r


def _centred(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardise columns over what is known and put the unknown at the centre, where the masks leave it out."""
    known = np.isfinite(x)
    count = np.maximum(known.sum(axis=0), 1)
    x = np.where(known, x, 0.0)
    x = np.where(known, x - x.sum(axis=0) / count, 0.0)
    scale = np.sqrt((x**2).sum(axis=0) / count)
    return x / np.where(scale > 0, scale, 1.0)


def _matrix(frame: pl.DataFrame, columns: list[str]) -> NDArray[np.float64]:
    return frame.select(pl.col(columns).cast(pl.Float64).fill_null(float("nan"))).to_numpy()


def _table(data: InspectedDataset, values: NDArray[np.float64], chosen: NDArray[np.bool_], what: str) -> pl.DataFrame:
    feature, answer = np.nonzero(chosen)
    targets = list(data.targets)
    rows = {
        "column": [data.features[place] for place in feature],
        "target": [targets[place] for place in answer],
        what: values[feature, answer].round(4),
    }
    return pl.DataFrame(rows, schema={"column": pl.String, "target": pl.String, what: pl.Float64}).sort(
        pl.col(what).abs(), descending=True
    )
