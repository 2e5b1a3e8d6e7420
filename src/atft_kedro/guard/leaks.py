"""Rules that search the features for future returns and prices."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from ..schema import CLOSE, CODE, DATE
from .dataset import InspectedDataset
from .rule import RuleParams, RuleResult, report_columns, skip

EQUAL = 0.9999  # correlation of two columns that count as the same
MAX_ERRORS = 6  # a mean IC within so many standard errors of 0 is not significant
MIN_DAYS = 20  # a mean IC of fewer days is not significant
MAX_LEAD = 2  # observations by which a feature may precede the target that it equals
DAYS = 250  # evenly spaced days of the sampled stocks

Floats = NDArray[np.float64]


class LeakParams(RuleParams):
    """Largest plausible mean daily correlation of a feature with a target."""

    max_ic: Annotated[float, Field(gt=0, le=1)]


class ShiftParams(RuleParams):
    """Entry lag of the targets; a target contains the future for its horizon plus this lag."""

    entry_lag: Annotated[int, Field(ge=0)]


class PriceLeakParams(LeakParams):
    """Largest plausible daily correlation of a transformed feature; the targets' entry lag."""

    entry_lag: Annotated[int, Field(ge=0)]


def check_leak(data: InspectedDataset, params: LeakParams) -> RuleResult:
    """Correlate every feature with every target within sampled days."""
    if not data.features or not data.targets:
        return skip("the dataset has no feature or no target")
    found = _find_leaks(data, data.sampled_days, data.targets, params.max_ic)
    found = found.sort(pl.col("ic").abs(), descending=True)
    advice = "A valid feature is never that good. Look for later prices in its definition, or raise guard.leak.max_ic."
    return report_columns("features that correlate too highly with a target", found, advice)


def check_future_price(data: InspectedDataset, params: PriceLeakParams) -> RuleResult:
    """Correlate each feature's change, and its ratio to the close, with the following returns.

    A feature that is a later price hardly correlates with a return itself. Its change over a target's horizon and its
    ratio to the day's close do.
    """
    if not data.features or not data.targets:
        return skip("the dataset has no feature or no target")
    tables = [
        _find_leaks(data, days, targets, params.max_ic).select(
            "column", pl.lit(transformation).alias("transformation"), "target", "ic"
        )
        for transformation, days, targets in _transform_features(data, params.entry_lag)
    ]
    found = pl.concat(tables).sort(pl.col("ic").abs(), descending=True)
    found = found.unique("column", keep="first", maintain_order=True)
    advice = "Look for prices after the day in their definition."
    return report_columns("features that follow a future price", found, advice)


def check_shifted_target(data: InspectedDataset, params: ShiftParams) -> RuleResult:
    """Find features that equal a target shifted so little that it still contains the future."""
    if not data.features or not data.targets:
        return skip("the dataset has no feature or no target")
    stocks = data.sampled_stocks
    shifted = stocks.select(
        pl.col(name).shift(shift).over(CODE).alias(f"{name} moved by {shift}")
        for name, horizon in data.targets.items()
        for shift in range(-MAX_LEAD, horizon + params.entry_lag)
    )
    correlation = correlate(_to_matrix(stocks, data.features), _to_matrix(shifted, shifted.columns))
    strength = np.where(np.isfinite(correlation), np.abs(correlation), 0)
    best = strength.max(axis=1)
    found = pl.DataFrame(
        {
            "column": data.features,
            "same as": [shifted.columns[index] for index in strength.argmax(axis=1)],
            "correlation": best.round(6),
        }
    ).filter(pl.Series(best > EQUAL))
    return report_columns("features that are a target moved in time", found, "Remove them: they contain the target.")


def _find_leaks(data: InspectedDataset, days: pl.DataFrame, targets: dict[str, int], max_ic: float) -> pl.DataFrame:
    """List the features and targets with a significant mean IC over ``max_ic``."""
    mean, is_significant = daily_ics(days, data.features, targets)
    feature, column = np.nonzero((np.abs(mean) > max_ic) & is_significant)
    names = list(targets)
    rows = {
        "column": [data.features[index] for index in feature],
        "target": [names[index] for index in column],
        "ic": mean[feature, column].round(4),
    }
    return pl.DataFrame(rows, schema={"column": pl.String, "target": pl.String, "ic": pl.Float64})


def daily_ics(days: pl.DataFrame, features: list[str], targets: dict[str, int]) -> tuple[Floats, NDArray[np.bool_]]:
    """Compute the mean daily correlations (feature, target) and mark the significant ones.

    ``days`` is sorted by date; ``targets`` maps columns to horizons. An undefined mean is 0.
    """
    sizes = days.group_by(DATE, maintain_order=True).len()["len"].to_numpy()
    borders = np.cumsum(sizes)[:-1]
    x, y = _to_matrix(days, features), _to_matrix(days, list(targets))
    pairs = zip(np.split(x, borders), np.split(y, borders), strict=True)
    ics = np.ma.masked_invalid([correlate(*pair) for pair in pairs])
    independent_days = ics.count(axis=0) / np.array(list(targets.values()))  # whose targets do not overlap
    mean, error = ics.mean(axis=0), ics.std(axis=0) / np.sqrt(np.maximum(independent_days, 1))
    is_significant = (np.abs(mean) > MAX_ERRORS * error) & (ics.count(axis=0) >= MIN_DAYS)
    return np.ma.filled(mean, 0.0), np.ma.filled(is_significant, False)


def _transform_features(data: InspectedDataset, entry_lag: int) -> Iterator[tuple[str, pl.DataFrame, dict[str, int]]]:
    """Yield transformed features that show future prices: description, days, target columns.

    The targets are shifted so that they begin at the day's close.
    """
    stocks = data.sampled_stocks
    days = stocks[DATE].unique().sort()
    kept = days.gather(np.unique(np.linspace(0, len(days) - 1, min(DAYS, len(days))).astype(int)))

    def select_days(features: list[pl.Expr], targets: list[str]) -> pl.DataFrame:
        """Compute features along complete histories; keep some days."""
        shifted = [pl.col(name).shift(entry_lag).over(CODE) for name in targets]
        rows = stocks.select(DATE, *features, *shifted).filter(pl.col(DATE).is_in(kept.implode()))
        return rows.sort(DATE, maintain_order=True)

    for name, horizon in data.targets.items():
        changes = [_relative_change(feature, horizon) for feature in data.features]
        yield f"change over {horizon}", select_days(changes, [name]), {name: horizon}
    if CLOSE in stocks.columns:
        ratios = [(pl.col(feature) / pl.col(CLOSE)).alias(feature) for feature in data.features]
        yield "ratio to the close", select_days(ratios, list(data.targets)), data.targets


def _relative_change(feature: str, observations: int) -> pl.Expr:
    before = pl.col(feature).shift(observations).over(CODE)
    return ((pl.col(feature) - before) / before.abs()).alias(feature)


def correlate(x: Floats, y: Floats) -> Floats:
    """Correlate the columns of ``x`` and ``y`` over rows known in both; NaN where undefined."""
    known_x, known_y = np.isfinite(x).astype(np.float64), np.isfinite(y).astype(np.float64)
    x, y = _standardise(x), _standardise(y)
    n = known_x.T @ known_y
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y = (x.T @ known_y) / n, (known_x.T @ y) / n
        covariance = (x.T @ y) / n - mean_x * mean_y
        variance_x = ((x**2).T @ known_y) / n - mean_x**2
        variance_y = (known_x.T @ (y**2)) / n - mean_y**2
        correlation = covariance / np.sqrt(variance_x * variance_y)
    correlation[(n < 3) | (variance_x < 1e-12) | (variance_y < 1e-12)] = np.nan
    return correlation


def _standardise(x: Floats) -> Floats:
    """Standardise the known values of each column; unknown values become 0."""
    known = np.isfinite(x)
    count = np.maximum(known.sum(axis=0), 1)
    x = np.where(known, x, 0.0)
    x = np.where(known, x - x.sum(axis=0) / count, 0.0)
    scale = np.sqrt((x**2).sum(axis=0) / count)
    return x / np.where(scale > 0, scale, 1.0)


def _to_matrix(frame: pl.DataFrame, columns: list[str]) -> Floats:
    return frame.select(pl.col(columns).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
