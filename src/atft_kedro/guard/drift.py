"""Rules that compare the newest days with the earlier history."""

from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field

from ..schema import DATE
from .dataset import InspectedDataset
from .rule import RuleParams, RuleResult, Share, report_columns, report_skipped

BINS = 10
MIN_SHARE = 1e-4  # of a bin; an empty bin would make the index infinite
USUALLY_KNOWN = 0.5  # a feature that is known in fewer rows of the history may be missing on the newest days


class DriftParams(RuleParams):
    """Number of newest days, and the largest accepted population stability index."""

    days: Annotated[int, Field(gt=0)]
    max_psi: Annotated[float, Field(gt=0)]


def check_drift(data: InspectedDataset, params: DriftParams) -> RuleResult:
    """Compare every feature's distribution on the newest days with earlier sampled days.

    Uses the population stability index over the deciles of the earlier days: Σ (p - q)·ln(p / q).
    """
    days = data.days[DATE]
    if len(days) < 3 * params.days:
        return report_skipped(f"{len(days)} days are too few for a comparison with the newest {params.days}")
    since = days[-params.days]
    new = data.read_rows(pl.col(DATE) >= since)
    old = data.sampled_days.filter(pl.col(DATE) < since).select(data.features)
    index = [_stability_index(old[name], new[name]) for name in data.features]
    table = pl.DataFrame({"column": data.features, "psi": index}, schema={"column": pl.String, "psi": pl.Float64})
    bad = table.filter(pl.col("psi") > params.max_psi).sort("psi", descending=True)
    advice = f"Check whether the newest {params.days} days, since {since}, are from another source or market."
    return report_columns("features whose distribution has changed", bad.with_columns(pl.col("psi").round(3)), advice)


class NewestFeaturesParams(RuleParams):
    """Number of newest days, and the minimum known share relative to the usual known share."""

    days: Annotated[int, Field(gt=0)]
    min_share: Share


def check_newest_features(data: InspectedDataset, params: NewestFeaturesParams, historical: bool) -> RuleResult:
    """Require of live data that usually known features are known on the newest days."""
    if historical:
        return report_skipped("historical data may end without some of its features")
    if not data.features:
        return report_skipped("the dataset has no feature")
    days = data.days[DATE][-params.days :]
    newest = data.read_rows(pl.col(DATE) >= days[0])
    unknown = pl.col("nulls") + pl.col("nans") + pl.col("infinite")
    usual = data.statistics.select("column", (1 - unknown / data.keys.height).round(4).alias("usually known"))
    known = newest.select(pl.col(data.features).is_finite().fill_null(False).mean()).row(0)
    table = pl.DataFrame({"column": data.features, "known": known}, schema={"column": pl.String, "known": pl.Float64})
    table = table.join(usual, on="column", maintain_order="left")
    is_lost = pl.col("known").fill_null(0) < params.min_share * pl.col("usually known")
    bad = table.filter(is_lost & (pl.col("usually known") >= USUALLY_KNOWN)).sort("known")
    advice = f"Correct their source for the days since {days[0]}, or remove these days."
    return report_columns("features that are missing on the newest days", bad, advice)


def _stability_index(old: pl.Series, new: pl.Series) -> float | None:
    samples = [series.drop_nulls().drop_nans().to_numpy() for series in (old, new)]
    if not all(map(len, samples)):
        return None
    edges = np.unique(np.quantile(samples[0], np.linspace(0, 1, BINS + 1)[1:-1]))
    p, q = (
        np.bincount(np.searchsorted(edges, sample, side="right"), minlength=len(edges) + 1) / len(sample)
        for sample in samples
    )
    p, q = np.maximum(p, MIN_SHARE), np.maximum(q, MIN_SHARE)
    return float(((p - q) * np.log(p / q)).sum())
