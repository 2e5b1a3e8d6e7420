"""Rules for the dataset's prices: impossible ones, unadjusted splits, and targets that differ from them."""

from typing import Annotated

import polars as pl
from pydantic import Field

from ..schema import CLOSE, CODE, DATE, HIGH, KEY, LOW, PRICES, VOLUME, target
from .dataset import InspectedDataset
from .rule import RuleParams, RuleResult, report_rows, skip

SPLIT_RATIOS = (1.5, *range(2, 11), 12, 15, 20, 25, 30, 40, 50, 100)


class StockSplitParams(RuleParams):
    """Tolerance of a price jump to a usual stock-split ratio, and the smallest ratio."""

    tolerance: Annotated[float, Field(gt=0, lt=0.5)]
    min_ratio: Annotated[float, Field(gt=1)]


class TargetRuleParams(RuleParams):
    """Relative tolerance of targets to the returns of the closes, in addition to rounding."""

    tolerance: Annotated[float, Field(gt=0)]
    entry_lag: Annotated[int, Field(ge=0)]


def check_prices(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Require positive finite prices, and a high that is not below the low."""
    names = [name for name in (*PRICES, VOLUME) if name in data.schema]
    if not names:
        return skip("the dataset has no prices")
    wrong = [(pl.col(name) <= 0) | ~pl.col(name).is_finite() for name in names if name != VOLUME]
    wrong += [(pl.col(VOLUME) < 0) | ~pl.col(VOLUME).is_finite()] if VOLUME in names else []
    wrong += [pl.col(HIGH) < pl.col(LOW)] if {HIGH, LOW} <= set(names) else []
    bad = data.frame.select(*KEY, *names).filter(pl.any_horizontal(wrong)).collect()
    return report_rows("rows with impossible prices", bad.sort(KEY), names, "Correct them in the source.")


def check_splits(data: InspectedDataset, params: StockSplitParams) -> RuleResult:
    """Find closes that jump by a usual stock-split ratio between two observations."""
    if CLOSE not in data.schema:
        return skip("the dataset has no close")
    ratio = pl.max_horizontal(pl.col("jump"), 1 / pl.col("jump"))
    is_split = pl.any_horizontal((ratio / split - 1).abs() < params.tolerance for split in SPLIT_RATIOS)
    closes = data.frame.select(*KEY, CLOSE).collect().sort(CODE, DATE)
    jumps = closes.with_columns((pl.col(CLOSE) / pl.col(CLOSE).shift(1).over(CODE)).alias("jump"))
    bad = jumps.filter(is_split & (ratio >= params.min_ratio) & ratio.is_finite())
    return report_rows("closes that jump like an unadjusted split", bad, [CLOSE], "Use split-adjusted prices.")


def check_targets(data: InspectedDataset, params: TargetRuleParams) -> RuleResult:
    """Compare every target with the return computed from each stock's closes.

    Targets after the last close cannot be compared; a zero there is an error (it was filled in).
    """
    if CLOSE not in data.schema:
        return skip("the dataset has no close")
    rows = data.frame.select(*KEY, CLOSE, *data.targets).collect().sort(CODE, DATE)
    for name, horizon in data.targets.items():
        entry = pl.col(CLOSE).shift(-params.entry_lag)
        exit_ = pl.col(CLOSE).shift(-params.entry_lag - horizon)
        expected = (exit_ / entry - 1).over(CODE)
        is_different = (pl.col(name) - expected).abs() > params.tolerance * (1 + expected.abs())
        is_filled = expected.is_null() & (pl.col(name) == 0)
        is_bad = (is_different.fill_null(False) | is_filled.fill_null(False)).alias("bad")
        bad = rows.select(*KEY, CLOSE, name, expected.alias("expected"), is_bad).filter("bad").drop("bad")
        if bad.height:
            definition = f"close {horizon} observations later over close, minus 1"
            advice = (
                f"{target(horizon)} must be {definition}, with entry lag {params.entry_lag} (guard.targets.entry_lag)."
            )
            return report_rows(f"rows whose {name} does not match the closes", bad, [name], advice)
    return RuleResult(message=f"all {len(data.targets)} targets match the closes")
