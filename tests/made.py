"""What tests make: datasets in memory, and the IC as a slow and plain reference."""

import polars as pl

from atft_kedro.features.build import build_ml_dataset
from atft_kedro.features.sets import FeatureParams


def make_ml_dataset(prices: pl.DataFrame, params: FeatureParams) -> pl.DataFrame:
    """Build the whole dataset at once."""
    return pl.concat(build_ml_dataset(prices.lazy(), params))


def daily_ic(frame: pl.DataFrame, forecast: str, answer: str) -> pl.Series:
    """Correlate inside each day, over the rows where both are known."""
    known = frame.drop_nulls([forecast, answer])
    return known.group_by("date").agg(pl.corr(forecast, answer).alias("ic")).drop_nulls().drop_nans()["ic"]
