"""Nodes that test positions and plot the result."""

import plotly.graph_objects as go
import polars as pl

from atft_kedro.evaluation.position_score import PositionResult
from atft_kedro.positions.availability import PositionTables, simulate_if_possible
from atft_kedro.positions.plan import PositionParams
from atft_kedro.reporting import position_figures


def simulate_positions(
    forecasts: pl.LazyFrame, mapped_dataset: pl.LazyFrame, delistings: pl.DataFrame, params: PositionParams
) -> PositionTables:
    """Hold the positions of the test days, and score them."""
    return simulate_if_possible(forecasts.collect(), mapped_dataset, delistings, params)


def plot_positions(position_result: PositionResult, position_days: pl.LazyFrame) -> tuple[go.Figure, ...]:
    """Plot all figures of positions; they are empty without a score."""
    return position_figures.plot_positions(position_result.score, position_days.collect())
