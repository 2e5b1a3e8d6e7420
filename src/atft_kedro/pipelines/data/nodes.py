"""Nodes that clean the prices and build the ML dataset."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import polars as pl

from atft_kedro.features import build
from atft_kedro.features.build import FeatureParams
from atft_kedro.market.benchmark_returns import BenchmarkReturns, replace_next_day_targets
from atft_kedro.market.cleaning import CleaningParams, clean_price_table
from atft_kedro.market.delistings import select_known_delistings
from atft_kedro.market.extra_tables import ExtraTables
from atft_kedro.schema import DATE


def clean_prices(
    prices: pl.LazyFrame, extra_tables: ExtraTables, params: CleaningParams, today: date
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Clean the prices, report the exclusions, and join the values of extra tables."""
    table, report = clean_price_table(prices, params, today, extra_tables.names)
    return extra_tables.join(table), report


def build_ml_dataset(
    clean_prices: pl.LazyFrame, benchmark_returns: BenchmarkReturns, delistings: pl.DataFrame, params: FeatureParams
) -> Iterator[pl.DataFrame]:
    """Compute features and targets, period by period.

    If benchmark returns are given, they replace the one-day targets of the rows that they have.
    """
    periods = build.build_ml_dataset(clean_prices, params, select_known_delistings(delistings, clean_prices))
    if benchmark_returns.rows.is_empty():  # no benchmark returns are given
        return periods
    trading_days = clean_prices.select(DATE).collect()[DATE]
    returns = benchmark_returns.list_next_day_returns(trading_days, params.entry_lag)
    return (replace_next_day_targets(period, returns) for period in periods)
