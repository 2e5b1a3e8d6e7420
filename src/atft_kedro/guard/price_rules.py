"""Rules for prices: impossible prices, unadjusted splits, targets that differ from the closes' returns."""

from typing import Annotated

import polars as pl
from pydantic import Field

from ..schema import CLOSE, CODE, DATE, DELISTING_DATE, HIGH, KEY, LOW, PRICES, VOLUME, target
from .dataset import InspectedDataset
from .rule import RuleParams, RuleResult, report_rows, report_skipped

SPLIT_RATIOS = (1.5, *range(2, 11), 12, 15, 20, 25, 30, 40, 50, 100)  # usual ones, k:1 or 1:k


class StockSplitParams(RuleParams):
    """Parameters of the rule for splits.

    A jump of the close counts as a split if its relative distance to a usual split ratio is below ``tolerance``. Jumps
    by a smaller ratio than ``min_ratio`` are ignored.
    """

    tolerance: Annotated[float, Field(gt=0, lt=0.5)]
    min_ratio: Annotated[float, Field(gt=1)]


class TargetRuleParams(RuleParams):
    """Parameters of the rule for targets.

    ``tolerance`` is the largest accepted difference of a target from the return of the closes, divided by 1 + the
    absolute return. The return starts ``entry_lag`` observations after the day.
    """

    tolerance: Annotated[float, Field(gt=0)]
    entry_lag: Annotated[int, Field(ge=0)]


def check_prices(data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Require positive prices, a volume of at least 0, and a high that is not below the low.

    Infinite and NaN values break the rule, null does not.
    """
    names = [name for name in (*PRICES, VOLUME) if name in data.schema]
    if not names:
        return report_skipped("the dataset has no prices and no volume")
    conditions = [(pl.col(name) <= 0) | ~pl.col(name).is_finite() for name in names if name != VOLUME]
    conditions += [(pl.col(VOLUME) < 0) | ~pl.col(VOLUME).is_finite()] if VOLUME in names else []
    conditions += [pl.col(HIGH) < pl.col(LOW)] if {HIGH, LOW} <= set(names) else []
    broken_rows = data.frame.select(*KEY, *names).filter(pl.any_horizontal(conditions)).collect()
    return report_rows("rows with impossible prices", broken_rows.sort(KEY), names, "Correct them in the source.")


def check_splits(data: InspectedDataset, params: StockSplitParams) -> RuleResult:
    """Find closes that change by a usual split ratio from one observation to the next."""
    if CLOSE not in data.schema:
        return report_skipped("the dataset has no close")
    ratio = pl.max_horizontal(pl.col("jump"), 1 / pl.col("jump"))
    is_split = pl.any_horizontal((ratio / split - 1).abs() < params.tolerance for split in SPLIT_RATIOS)
    closes = data.frame.select(*KEY, CLOSE).collect().sort(CODE, DATE)
    jumps = closes.with_columns((pl.col(CLOSE) / pl.col(CLOSE).shift(1).over(CODE)).alias("jump"))
    broken_rows = jumps.filter(is_split & (ratio >= params.min_ratio) & ratio.is_finite())
    return report_rows("closes that change by a split ratio", broken_rows, [CLOSE], "Use split-adjusted prices.")


def check_targets(data: InspectedDataset, params: TargetRuleParams) -> RuleResult:
    """Compare the targets with the returns of the closes; report the first target that differs.

    If a close is missing, the target cannot be compared. A target of 0 in such a row breaks the rule, because it was
    probably filled in; in a row with a delisting date it may be the last return of its stock.
    """
    if CLOSE not in data.schema or not data.targets:
        return report_skipped("the dataset has no close or no target")
    is_completed = pl.col(DELISTING_DATE).is_not_null() if DELISTING_DATE in data.schema else pl.lit(False)
    names = [*KEY, CLOSE, *data.targets]
    rows = data.frame.select(*names, is_completed.alias("is_completed")).collect().sort(CODE, DATE)
    for name, horizon in data.targets.items():
        entry_close = pl.col(CLOSE).shift(-params.entry_lag)
        exit_close = pl.col(CLOSE).shift(-params.entry_lag - horizon)
        expected = (exit_close / entry_close - 1).over(CODE)
        is_different = (pl.col(name) - expected).abs() > params.tolerance * (1 + expected.abs())
        is_filled = expected.is_null() & (pl.col(name) == 0) & ~pl.col("is_completed")
        is_broken = is_different.fill_null(False) | is_filled.fill_null(False)
        compared = rows.select(*KEY, CLOSE, name, expected.alias("expected"), is_broken.alias("is_broken"))
        broken_rows = compared.filter("is_broken").drop("is_broken")
        if broken_rows.height:
            formula = _format_target(horizon, params.entry_lag)
            advice = f"{target(horizon)} must be {formula}. The targets after it are not compared yet."
            return report_rows(f"rows whose {name} does not match the closes", broken_rows, [name], advice)
    return RuleResult(message=f"all {len(data.targets)} targets match the closes")


def _format_target(horizon: int, entry_lag: int) -> str:
    """Format the formula of a target; t counts the observations of a stock."""
    entry = f"close[t+{entry_lag}]" if entry_lag else "close[t]"
    return f"close[t+{entry_lag + horizon}] / {entry} - 1 (guard.targets.entry_lag: {entry_lag})"
