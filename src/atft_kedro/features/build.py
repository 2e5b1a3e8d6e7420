"""Prices to ML dataset in two passes: along each stock, then across each day."""

from collections.abc import Iterator

import polars as pl

from ..progress import track_progress
from ..schema import DATE, KEY, QUOTES, SECTOR, target
from .period_store import PeriodStore
from .sets import FeatureParams
from .stock_features import CELL, build_stock_features, count_columns


def build_ml_dataset(prices: pl.LazyFrame, params: FeatureParams) -> Iterator[pl.DataFrame]:
    """Yield the ML dataset period by period, sorted by (date, code): keys, raw quotes, features, targets.

    Features that fit into three quarters of ``params.memory_gb`` wait in memory for the second pass, others on disk.
    """
    size = prices.select(pl.len()).collect().item() * count_columns(params) * CELL
    with PeriodStore(in_memory=size < 0.75e9 * params.memory_gb) as store:
        for period, rows in build_stock_features(prices, params):
            store.put(period, rows)
        for period in track_progress(store.periods(), "features, days"):
            yield _compare_stocks(store.take(period), params)


def _compare_stocks(rows: pl.LazyFrame, params: FeatureParams) -> pl.DataFrame:
    """Add what compares the stocks of a day, and put rows and columns in order."""
    day = [feature.narrow().over(DATE) for feature in params.features("day")]
    features = [feature.name for feature in params.features()]
    targets = [target(horizon) for horizon in sorted(params.horizons)]
    by_day = rows.sort(DATE, maintain_order=True)  # the codes are in order already
    return by_day.with_columns(day).select(*KEY, SECTOR, *QUOTES, *features, *targets).collect()
