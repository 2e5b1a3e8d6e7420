"""Rules that hold the dataset against its own prices: impossible ones, unadjusted splits, targets that do not match."""

from typing import Annotated

import polars as pl
from pydantic import Field

from ..schema import CLOSE, CODE, DATE, HIGH, KEY, LOW, PRICES, VOLUME, target
from .dataset import InspectedDataset
from .finding import RuleParams, RuleResult, rows_at_fault, skip
from .keys import WarnParams

SPLITS = (1.5, *range(2, 11), 12, 15, 20, 25, 30, 40, 50, 100)


class SplitParams(WarnParams):
    """How near a jump must be to a usual split ratio, and from which ratio on it counts."""

    tolerance: Annotated[float, Field(gt=0, lt=0.5)] = 0.03
    min_ratio: Annotated[float, Field(gt=1)] = 1.4


class TargetParams(RuleParams):
    """How far a target may be from what the closes say, beyond 32-bit rounding."""

    tolerance: Annotated[float, Field(gt=0)] = 1e-4
    entry_lag: Annotated[int, Field(ge=0)] = 0


def check_prices(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Allow no price that cannot be: zero, negative, infinite, or a high below its low."""
    there = [name for name in (*PRICES, VOLUME) if name in data.schema]
    if not there:
        return skip("the dataset carries no prices")
    wrong = [(pl.col(name) <= 0) | ~pl.col(name).is_finite() for name in there if name != VOLUME]
    wrong += [(pl.col(VOLUME) < 0) | ~pl.col(VOLUME).is_finite()] if VOLUME in there else []
    wrong += [pl.col(HIGH) < pl.col(LOW)] if {HIGH, LOW} <= set(there) else []
    bad = data.frame.select(*KEY, *there).filter(pl.any_horizontal(wrong)).collect()
    return rows_at_fault("rows that hold impossible prices", bad.sort(KEY), there, "Correct them at the source.")


def check_splits(data: InspectedDataset, params: SplitParams) -> RuleResult:
    """Look for a close that jumps by a usual split ratio from one observation to the next."""
    if CLOSE not in data.schema:
        return skip("the dataset carries no close")
    ratio = pl.max_horizontal(pl.col("jump"), 1 / pl.col("jump"))
    near = pl.any_horizontal((ratio / split - 1).abs() < params.tolerance for split in SPLITS)
    closes = data.frame.select(*KEY, CLOSE).collect().sort(CODE, DATE)
    jumps = closes.with_columns((pl.col(CLOSE) / pl.col(CLOSE).shift(1).over(CODE)).alias("jump"))
    bad = jumps.filter(near & (ratio >= params.min_ratio) & ratio.is_finite())
    return rows_at_fault("closes that jump like an unadjusted split", bad, [CLOSE], "Use split-adjusted prices.")


def check_targets(data: InspectedDataset, params: TargetParams) -> RuleResult:
    """Recompute every target from the closes, along each stock's own observations.

    A target beyond the last close cannot be checked, but a zero there was filled in.
    """
    if CLOSE not in data.schema:
        return skip("the dataset carries no close")
    rows = data.frame.select(*KEY, CLOSE, *data.targets).collect().sort(CODE, DATE)
    for name, horizon in data.targets.items():
        entry = pl.col(CLOSE).shift(-params.entry_lag)
        leave = pl.col(CLOSE).shift(-params.entry_lag - horizon)
        expected = (leave / entry - 1).over(CODE)
        gap = (pl.col(name) - expected).abs() > params.tolerance * (1 + expected.abs())
        filled = expected.is_null() & (pl.col(name) == 0)
        bad = rows.select(
            *KEY, CLOSE, name, expected.alias("expected"), (gap.fill_null(False) | filled.fill_null(False)).alias("bad")
        )
        bad = bad.filter("bad").drop("bad")
        if bad.height:
            rule = f"close {horizon} observations later over close, minus 1"
            advice = f"{target(horizon)} must be {rule}, with entry lag {params.entry_lag} (guard.targets.entry_lag)."
            return rows_at_fault(f"rows whose {name} does not match the closes", bad, [name], advice)
    return RuleResult(message=f"all {len(data.targets)} targets match the closes")
