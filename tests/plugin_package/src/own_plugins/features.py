"""Features: expressions of a stock's own history, of the market's, or of a day's stocks."""

import polars as pl

from atft_kedro.features.feature import declare, mean, rank_of

CLOSE, OPEN = pl.col("close"), pl.col("open")

OVERNIGHT = declare(
    "overnight",
    ("overnight_10", mean(OPEN / CLOSE.shift(1) - 1, 10), 11, "mean overnight return of 10 observations"),
)
FEATURES = [*OVERNIGHT, *(rank_of(feature) for feature in OVERNIGHT)]
