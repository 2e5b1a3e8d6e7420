"""The rule that compares the newest days with the history before them."""

from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field

from ..schema import DATE
from .dataset import InspectedDataset
from .finding import Finding, columns_at_fault, skip
from .keys import WarnParams

BINS = 10


class DriftParams(WarnParams):
    """How many newest days are compared, and the population stability index from which on they differ."""

    days: Annotated[int, Field(gt=0)] = 20
    max_psi: Annotated[float, Field(gt=0)] = 1.0


def check_drift(data: InspectedDataset, params: DriftParams) -> Finding:
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
