"""The node that tests positions."""

import polars as pl

from atft_kedro.positions.availability import PositionTables, simulate_if_possible
from atft_kedro.positions.plan import PositionParams


def simulate_positions(
    forecasts: pl.LazyFrame, mapped_dataset: pl.LazyFrame, delistings: pl.DataFrame, params: PositionParams
) -> PositionTables:
    """Hold the positions of the test days, and score them."""
    return simulate_if_possible(forecasts.collect(), mapped_dataset, delistings, params)
