"""Rules on what the features and targets hold: finite, known, alive, without wild outliers."""

from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field

from .dataset import InspectedDataset
from .finding import RuleParams, RuleResult, columns_at_fault
from .keys import Share, WarnParams


class MissingParams(WarnParams):
    """The largest share of a column that may be unknown."""

    max_share: Share = 0.5


class OutlierParams(WarnParams):
    """How many interquartile ranges from the median is far, and how many such values are too many."""

    ranges: Annotated[float, Field(gt=0)] = 50
    max_share: Share = 0.005


def check_finite(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Allow no NaN and no infinity: what is unknown is null."""
    bad = data.statistics.filter(pl.col("nans") + pl.col("infinite") > 0).select("column", "nans", "infinite")
    worst = bad.sort(pl.col("nans") + pl.col("infinite"), descending=True)
    return columns_at_fault("columns that hold NaN or infinities", worst, "Make them null where they are undefined.")


def check_missing(data: InspectedDataset, params: MissingParams) -> RuleResult:
    """Expect most of every column to be known."""
    share = (pl.col("nulls") / max(data.keys.height, 1)).round(4).alias("unknown")
    bad = data.statistics.select("column", share).filter(pl.col("unknown") > params.max_share)
    worst = bad.sort("unknown", descending=True)
    return columns_at_fault(
        "columns that are mostly unknown",
        worst,
        "Their source lacks what they need, or the history is shorter than they look back; else use columns.ignore.",
    )


def check_constant(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Allow no dead column, one that holds a single value; one that is all unknown is missing."""
    dead = data.statistics.filter(pl.col("low") == pl.col("high"))
    return columns_at_fault(
        "columns that never change",
        dead.select("column", value="low"),
        "A dead column hides a broken source: mend it, or list it under columns.ignore.",
    )


def check_outliers(data: InspectedDataset, params: OutlierParams) -> RuleResult:
    """Look for values absurdly far from the rest, on sampled days."""
    days = data.sampled_days
    shares = [_far_share(days[name], params.ranges) for name in data.features]
    table = pl.DataFrame({"column": data.features, "share": shares}, schema={"column": pl.String, "share": pl.Float64})
    bad = table.filter(pl.col("share") > params.max_share).sort("share", descending=True)
    return columns_at_fault(
        "columns that hold many wild outliers", bad, "Clip or transform them, or look for wrong prices."
    )


def _far_share(column: pl.Series, ranges: float) -> float:
    """Take the share of values more than so many interquartile ranges from the median; 0 where there is no range."""
    values = np.sort(column.drop_nulls().to_numpy())
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0
    low, middle, high = values[[len(values) // 4, len(values) // 2, 3 * len(values) // 4]]
    reach = ranges * (high - low)
    inside = np.searchsorted(values, middle + reach, "right") - np.searchsorted(values, middle - reach, "left")
    return float(1 - inside / len(values)) if reach > 0 else 0.0
