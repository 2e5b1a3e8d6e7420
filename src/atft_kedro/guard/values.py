"""Rules for the values of features and targets: finite, known, varying, without outliers."""

from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field

from .dataset import InspectedDataset
from .rule import RuleParams, RuleResult, Share, report_columns


class MissingParams(RuleParams):
    """Maximum share of unknown values of a column."""

    max_share: Share


class OutlierParams(RuleParams):
    """Maximum share of outliers.

    An outlier is further than ``ranges`` interquartile ranges from the median.
    """

    ranges: Annotated[float, Field(gt=0)]
    max_share: Share


def check_finite(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Require null for unknown values, not NaN or infinity."""
    bad = data.statistics.filter(pl.col("nans") + pl.col("infinite") > 0).select("column", "nans", "infinite")
    worst = bad.sort(pl.col("nans") + pl.col("infinite"), descending=True)
    return report_columns("columns that hold NaN or infinities", worst, "Make them null where they are undefined.")


def check_missing(data: InspectedDataset, params: MissingParams) -> RuleResult:
    """Require that the unknown share of every column is not too large."""
    share = (pl.col("nulls") / max(data.keys.height, 1)).round(4).alias("unknown")
    bad = data.statistics.select("column", share).filter(pl.col("unknown") > params.max_share)
    return report_columns(
        "columns that are mostly unknown",
        bad.sort("unknown", descending=True),
        "Their source lacks their inputs, or the history is shorter than their lookback; else use columns.ignore.",
    )


def check_constant(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Require more than one value in every column that has any."""
    constant = data.statistics.filter(pl.col("min") == pl.col("max"))
    return report_columns(
        "columns that never change",
        constant.select("column", value="min"),
        "A constant column is often a broken source: correct it, or list it under columns.ignore.",
    )


def check_outliers(data: InspectedDataset, params: OutlierParams) -> RuleResult:
    """Require few outliers on the sampled days."""
    shares = [_outlier_share(data.sampled_days[name], params.ranges) for name in data.features]
    table = pl.DataFrame({"column": data.features, "share": shares}, schema={"column": pl.String, "share": pl.Float64})
    bad = table.filter(pl.col("share") > params.max_share).sort("share", descending=True)
    return report_columns("columns with many outliers", bad, "Clip or transform them, or look for wrong prices.")


def _outlier_share(column: pl.Series, ranges: float) -> float:
    """Compute the share of outliers; 0 where the interquartile range is 0."""
    values = np.sort(column.drop_nulls().to_numpy())
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0
    low, median, high = values[[len(values) // 4, len(values) // 2, 3 * len(values) // 4]]
    limit = ranges * (high - low)
    inside = np.searchsorted(values, median + limit, "right") - np.searchsorted(values, median - limit, "left")
    return float(1 - inside / len(values)) if limit > 0 else 0.0
