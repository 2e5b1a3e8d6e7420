"""What tests make: datasets in memory, and the IC as a slow and plain reference."""

import polars as pl

from atft_kedro.features.cross_section import build_ml_dataset
from atft_kedro.features.sets import FeatureParams
from atft_kedro.features.stock_features import build_stock_features


def make_ml_dataset(prices: pl.DataFrame, params: FeatureParams) -> pl.DataFrame:
    """Run both passes in memory, as the two nodes do over files."""
    periods: dict[str, list[pl.DataFrame]] = {}
    for name, rows in build_stock_features(prices.lazy(), params):
        periods.setdefault(name, []).append(rows)
    parts = [pl.concat(periods[name]).lazy() for name in sorted(periods)]
    return pl.concat(build_ml_dataset(parts, params))


def daily_ic(frame: pl.DataFrame, forecast: str, answer: str) -> pl.Series:
    """Correlate inside each day, over the rows where both are known."""
    known = frame.drop_nulls([forecast, answer])
    return known.group_by("date").agg(pl.corr(forecast, answer).alias("ic")).drop_nulls().drop_nans()["ic"]
