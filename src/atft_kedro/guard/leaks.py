"""Rules that check whether a feature contains future returns or prices."""

from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from ..schema import CLOSE, CODE, DATE, QUOTES, SECTOR
from .dataset import InspectedDataset
from .rule import RuleParams, RuleResult, report_columns, report_skipped

MIN_CORRELATION_OF_COPY = 0.9999  # two columns with a higher one count as the same
MIN_STANDARD_ERRORS = 6  # a mean IC is significant if it is further from 0
MIN_DAYS = 20  # a mean IC of fewer days is not significant
MAX_LEAD = 2  # a feature is also compared with the targets of up to this many observations later
MAX_SAMPLED_DAYS = 250  # number of evenly spaced days that are read from the sampled stocks
MIN_ROWS = 3  # fewer have no correlation
MIN_VARIANCE = 1e-12  # a standardised column with a smaller variance counts as constant

Floats = NDArray[np.float64]
FindFaults = Callable[[pl.LazyFrame], dict[str, str]]  # from prices to the faults of features by name


class LeakParams(RuleParams):
    """Parameters of the rule for leaks.

    ``max_ic`` is the largest plausible mean of the daily correlation (Pearson) of a feature with a target.
    """

    max_ic: Annotated[float, Field(gt=0, le=1)]


class ShiftParams(RuleParams):
    """Parameters of the rule for shifted targets.

    ``entry_lag`` is that of the targets: a target contains the future for its horizon plus this lag.
    """

    entry_lag: Annotated[int, Field(ge=0)]


class PriceLeakParams(LeakParams):
    """Parameters of the rule for future prices; ``entry_lag`` is that of the targets."""

    entry_lag: Annotated[int, Field(ge=0)]


def check_leak(data: InspectedDataset, params: LeakParams) -> RuleResult:
    """Correlate every feature with every target within sampled days."""
    if not data.features or not data.targets:
        return report_skipped("the dataset has no feature or no target")
    found = _find_leaks(data, data.sampled_days, data.targets, params.max_ic)
    found = _keep_strongest(found)
    advice = "Such a correlation is nearly always a leak: look for later prices, or raise guard.leak.max_ic."
    return report_columns("features that correlate too highly with a target", found, advice)


def check_future_price(data: InspectedDataset, params: PriceLeakParams) -> RuleResult:
    """Correlate each feature's change, and its ratio to the close, with future returns.

    The returns begin at the day's close.
    A feature that is a later price correlates little with a return. But its change over a target's horizon and its
    ratio to the day's close correlate strongly.
    """
    if not data.features or not data.targets:
        return report_skipped("the dataset has no feature or no target")
    tables = [
        _find_leaks(data, days, targets, params.max_ic).select(
            "column", pl.lit(transformation).alias("transformation"), "target", "ic"
        )
        for transformation, days, targets in _transform_features(data, params.entry_lag)
    ]
    found = _keep_strongest(pl.concat(tables))
    advice = "Look for prices after the day in their definition."
    return report_columns("features that are close to a future price", found, advice)


def check_extra_features(data: InspectedDataset, params: RuleParams, find_faults: FindFaults) -> RuleResult:
    """Compute plugged-in features again, with changed later prices and with scaled prices."""
    if {SECTOR, *QUOTES} - {*data.schema}:
        return report_skipped("the dataset has no prices")
    found = pl.DataFrame(list(find_faults(data.frame).items()), schema=["column", "fault"], orient="row")
    noun_phrase = "plugged-in features that use later prices or depend on the price level"
    return report_columns(noun_phrase, found, "Mend them, or remove them from features.extra.")


def check_shifted_target(data: InspectedDataset, params: ShiftParams) -> RuleResult:
    """Find features that are a copy of a target, moved in time.

    A target that is moved by less than its horizon plus the entry lag still contains future returns.
    """
    if not data.features or not data.targets:
        return report_skipped("the dataset has no feature or no target")
    rows = data.sampled_stocks
    shifted = rows.select(
        pl.col(name).shift(shift).over(CODE).alias(_format_shifted(name, shift))
        for name, horizon in data.targets.items()
        for shift in range(-MAX_LEAD, horizon + params.entry_lag)
    )
    correlation = correlate(_to_matrix(rows, data.features), _to_matrix(shifted, shifted.columns))
    strength = np.where(np.isfinite(correlation), np.abs(correlation), 0)
    best = strength.max(axis=1)
    found = pl.DataFrame(
        {
            "column": data.features,
            "same as": [shifted.columns[index] for index in strength.argmax(axis=1)],
            "correlation": best.round(6),
        }
    ).filter(pl.Series(best > MIN_CORRELATION_OF_COPY))
    return report_columns(
        "features that are a copy of a target, moved in time", found, "Remove them: they contain the target."
    )


def _format_shifted(name: str, shift: int) -> str:
    """Format from which observation of a stock the target is."""
    if not shift:
        return name
    return f"{name} of {abs(shift)} observation{'s' * (abs(shift) > 1)} {'earlier' if shift > 0 else 'later'}"


def _keep_strongest(found: pl.DataFrame) -> pl.DataFrame:
    """Keep each feature's row with the strongest correlation, the strongest first."""
    found = found.sort(pl.col("ic").abs(), descending=True)
    return found.unique("column", keep="first", maintain_order=True)


def _find_leaks(data: InspectedDataset, rows: pl.DataFrame, targets: dict[str, int], max_ic: float) -> pl.DataFrame:
    """List the features and targets with a significant mean IC over ``max_ic``."""
    mean, is_significant = compute_mean_ics(rows, data.features, targets)
    feature, column = np.nonzero((np.abs(mean) > max_ic) & is_significant)
    names = list(targets)
    found = {
        "column": [data.features[index] for index in feature],
        "target": [names[index] for index in column],
        "ic": mean[feature, column].round(4),
    }
    return pl.DataFrame(found, schema={"column": pl.String, "target": pl.String, "ic": pl.Float64})


def compute_mean_ics(
    rows: pl.DataFrame, features: list[str], targets: dict[str, int]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Compute the mean daily correlations (feature, target) and the mask of significant ones.

    ``rows`` are sorted by date; ``targets`` maps columns to horizons. An undefined mean is 0.
    """
    sizes = rows.group_by(DATE, maintain_order=True).len()["len"].to_numpy()
    borders = np.cumsum(sizes)[:-1]
    x, y = _to_matrix(rows, features), _to_matrix(rows, list(targets))
    pairs = zip(np.split(x, borders), np.split(y, borders), strict=True)
    ics = np.ma.masked_invalid([correlate(*pair) for pair in pairs])
    # number of days whose targets do not overlap
    independent_days = ics.count(axis=0) / np.array(list(targets.values()))
    mean, error = ics.mean(axis=0), ics.std(axis=0) / np.sqrt(np.maximum(independent_days, 1))
    is_significant = (np.abs(mean) > MIN_STANDARD_ERRORS * error) & (ics.count(axis=0) >= MIN_DAYS)
    return np.ma.filled(mean, 0.0), np.ma.filled(is_significant, False)


def _transform_features(data: InspectedDataset, entry_lag: int) -> Iterator[tuple[str, pl.DataFrame, dict[str, int]]]:
    """Transform the features so that a future price correlates with a target.

    Yields for each transformation its name, a table of the transformed features and targets, and the targets'
    horizons by column. The targets are shifted so that they begin at the day's close.
    """
    complete = data.sampled_stocks
    days = complete[DATE].unique().sort()
    sampled = days.gather(np.unique(np.linspace(0, len(days) - 1, min(MAX_SAMPLED_DAYS, len(days))).astype(int)))

    def select_days(features: list[pl.Expr], targets: list[str]) -> pl.DataFrame:
        """Compute the features on complete histories for their shifts; keep the sampled days."""
        shifted = [pl.col(name).shift(entry_lag).over(CODE) for name in targets]
        rows = complete.select(DATE, *features, *shifted).filter(pl.col(DATE).is_in(sampled.implode()))
        return rows.sort(DATE, maintain_order=True)

    for name, horizon in data.targets.items():
        changes = [_relative_change(feature, horizon) for feature in data.features]
        yield f"change over {horizon}", select_days(changes, [name]), {name: horizon}
    if CLOSE in complete.columns:
        ratios = [(pl.col(feature) / pl.col(CLOSE)).alias(feature) for feature in data.features]
        yield "ratio to the close", select_days(ratios, list(data.targets)), data.targets


def _relative_change(feature: str, observations: int) -> pl.Expr:
    earlier = pl.col(feature).shift(observations).over(CODE)
    return ((pl.col(feature) - earlier) / earlier.abs()).alias(feature)


def correlate(x: Floats, y: Floats) -> Floats:
    """Correlate the columns of ``x`` and ``y`` over rows known in both; NaN where undefined."""
    known_x, known_y = np.isfinite(x).astype(np.float64), np.isfinite(y).astype(np.float64)
    x, y = _standardise(x), _standardise(y)  # against rounding errors: the scale does not change a correlation
    n = known_x.T @ known_y
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y = (x.T @ known_y) / n, (known_x.T @ y) / n
        covariance = (x.T @ y) / n - mean_x * mean_y
        variance_x = ((x**2).T @ known_y) / n - mean_x**2
        variance_y = (known_x.T @ (y**2)) / n - mean_y**2
        correlation = covariance / np.sqrt(variance_x * variance_y)
    correlation[(n < MIN_ROWS) | (variance_x < MIN_VARIANCE) | (variance_y < MIN_VARIANCE)] = np.nan
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
