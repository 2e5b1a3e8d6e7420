"""Rules that compare the newest days with the history before them."""

from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field

from ..schema import DATE
from .dataset import InspectedDataset
from .finding import RuleParams, RuleResult, columns_at_fault, skip
from .keys import Share, WarnParams

BINS = 10
USUALLY_KNOWN = 0.5  # share of all rows from which on a feature is expected to be known


class DriftParams(WarnParams):
    """How many newest days are compared, and the population stability index from which on they differ."""

    days: Annotated[int, Field(gt=0)] = 20
    max_psi: Annotated[float, Field(gt=0)] = 1.0


def check_drift(data: InspectedDataset, params: DriftParams) -> RuleResult:
    """Compare every feature's distribution on the newest days with sampled days of the history.

    The population stability index over the history's deciles: Σ (p - q)·ln(p / q).
    """
    days = data.days[DATE]
    if len(days) < 3 * params.days:
        return skip(f"{len(days)} days are too few to compare the newest {params.days} with")
    since = days[-params.days]
    new = data.read(pl.col(DATE) >= since)
    old = data.sampled_days.filter(pl.col(DATE) < since).select(data.features)
    index = [_stability(old[name], new[name]) for name in data.features]
    table = pl.DataFrame({"column": data.features, "psi": index}, schema={"column": pl.String, "psi": pl.Float64})
    bad = table.filter(pl.col("psi") > params.max_psi).sort("psi", descending=True)
    advice = f"See whether the newest {params.days} days, since {since}, come from another source or another market."
    return columns_at_fault(
        "features that moved away from their history", bad.with_columns(pl.col("psi").round(3)), advice
    )


class NewestFeaturesParams(RuleParams):
    """How many newest days are looked at, and the least share of what is usual that must be known there."""

    days: Annotated[int, Field(gt=0)] = 1
    min_share: Share = 0.5


def check_newest_features(data: InspectedDataset, params: NewestFeaturesParams, historical: bool) -> RuleResult:
    """Expect of live data that features which are usually known are known on the newest days too."""
    if historical:
        return skip("historical data may end without some of its features")
    if not data.features:
        return skip("there is no feature")
    days = data.days[DATE][-params.days :]
    newest = data.read(pl.col(DATE) >= days[0])
    unknown = pl.col("nulls") + pl.col("nans") + pl.col("infinite")
    usual = data.statistics.select("column", (1 - unknown / data.keys.height).round(4).alias("usually known"))
    known = newest.select(pl.col(data.features).is_finite().fill_null(False).mean()).row(0)
    table = pl.DataFrame({"column": data.features, "known": known}, schema={"column": pl.String, "known": pl.Float64})
    table = table.join(usual, on="column", maintain_order="left")
    died = pl.col("known").fill_null(0) < params.min_share * pl.col("usually known")
    bad = table.filter(died & (pl.col("usually known") >= USUALLY_KNOWN)).sort("known")
    advice = f"Mend their source for the days since {days[0]}, or take these days away."
    return columns_at_fault("features that died on the newest days", bad, advice)


def _stability(old: pl.Series, new: pl.Series) -> float | None:
    history, newest = (each.drop_nulls().drop_nans().to_numpy() for each in (old, new))
    if not len(history) or not len(newest):
        return None
    edges = np.unique(np.quantile(history, np.linspace(0, 1, BINS + 1)[1:-1]))
    p, q = (
        np.bincount(np.searchsorted(edges, each, side="right"), minlength=len(edges) + 1) / len(each)
        for each in (history, newest)
    )
    p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    return float(((p - q) * np.log(p / q)).sum())
