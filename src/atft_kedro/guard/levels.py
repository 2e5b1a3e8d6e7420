"""The rule that looks for prices of the future among the features."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import polars as pl
from pydantic import Field

from ..schema import CLOSE, CODE, DATE
from .dataset import InspectedDataset
from .finding import RuleResult, columns_at_fault, skip
from .leaks import LeakParams, daily_ics

DAYS = 250  # of the sampled stocks' histories, evenly spaced


class LevelParams(LeakParams):
    """The mean daily correlation from which on a feature holds a price of the future, and the targets' entry lag."""

    entry_lag: Annotated[int, Field(ge=0)] = 0


def check_future_level(data: InspectedDataset, params: LevelParams) -> RuleResult:
    """Correlate each feature's relative change, and its ratio to the close, with the returns from the close on.

    A price of the future correlates with no return, but its change over a target's horizon does, and what it is above
    the day's close.
    """
    if not data.features or not data.targets:
        return skip("nothing to correlate")
    tables = [_suspicious(data, *each, params) for each in _transformed(data, params.entry_lag)]
    found = (
        pl.concat(tables).sort(pl.col("ic").abs(), descending=True).unique("column", keep="first", maintain_order=True)
    )
    advice = "Look for prices after the day in their definition: they hold the answer."
    return columns_at_fault("features that follow a price of the future", found, advice)


def _transformed(data: InspectedDataset, entry_lag: int) -> Iterator[tuple[str, pl.DataFrame, dict[str, int]]]:
    """Yield the features in a form that shows the future: a name of the form, some days, and the targets beside them.

    Targets are moved to begin at the day's close.
    """
    stocks = data.sampled_stocks
    days = stocks[DATE].unique().sort()
    kept = days.gather(np.unique(np.linspace(0, len(days) - 1, min(DAYS, len(days))).astype(int)))
    for name, horizon in data.targets.items():
        changes = [_change(feature, horizon) for feature in data.features]
        yield f"change over {horizon}", _take(stocks, kept, changes, [name], entry_lag), {name: horizon}
    if CLOSE in stocks.columns:
        ratios = [(pl.col(feature) / pl.col(CLOSE)).alias(feature) for feature in data.features]
        yield "ratio to the close", _take(stocks, kept, ratios, list(data.targets), entry_lag), data.targets


def _change(feature: str, observations: int) -> pl.Expr:
    before = pl.col(feature).shift(observations).over(CODE)
    return ((pl.col(feature) - before) / before.abs()).alias(feature)


def _take(
    stocks: pl.DataFrame, days: pl.Series, features: list[pl.Expr], targets: list[str], entry_lag: int
) -> pl.DataFrame:
    """Compute along whole histories, and keep some days."""
    moved = [pl.col(name).shift(entry_lag).over(CODE) for name in targets]
    rows = stocks.select(DATE, *features, *moved).filter(pl.col(DATE).is_in(days.implode()))
    return rows.sort(DATE, maintain_order=True)


def _suspicious(
    data: InspectedDataset, form: str, days: pl.DataFrame, targets: dict[str, int], params: LevelParams
) -> pl.DataFrame:
    mean, sure = daily_ics(days, data.features, targets)
    feature, answer = np.nonzero((np.abs(mean) > params.max_ic) & sure)
    names = list(targets)
    return pl.DataFrame(
        {
            "column": [data.features[place] for place in feature],
            "what": [form] * len(feature),
            "target": [names[place] for place in answer],
            "ic": mean[feature, answer].round(4),
        },
        schema={"column": pl.String, "what": pl.String, "target": pl.String, "ic": pl.Float64},
    )
