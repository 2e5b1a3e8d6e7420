"""The node that builds the ML dataset."""

from collections.abc import Iterator

import polars as pl

from atft_kedro.features import build
from atft_kedro.features.build import FeatureParams
from atft_kedro.market.benchmark_returns import BenchmarkReturns, replace_next_day_targets
from atft_kedro.schema import DATE


def build_ml_dataset(
    clean_prices: pl.LazyFrame, benchmark_returns: BenchmarkReturns, params: FeatureParams
) -> Iterator[pl.DataFrame]:
    """Compute features and targets; a benchmark's returns replace the one-day targets."""
    dataset = build.build_ml_dataset(clean_prices, params)
    if benchmark_returns.rows.is_empty():
        return dataset
    trading_days = clean_prices.select(DATE).collect()[DATE]
    returns = benchmark_returns.list_next_day_returns(trading_days, params.entry_lag)
    return (replace_next_day_targets(rows, returns) for rows in dataset)
