"""Nodes that plan the folds and show them."""

import plotly.graph_objects as go
import polars as pl

from atft_kedro.panel import folds as walking
from atft_kedro.panel.folds import FoldParams, Folds
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.pictures import draw_splits
from atft_kedro.panel.split import require_stocks
from atft_kedro.schema import ColumnParams, adopt_ml_dataset, longest_reach


def plan_folds(
    ml_dataset: pl.LazyFrame, universe: pl.LazyFrame, columns: ColumnParams, entry_lag: int, params: FoldParams
) -> Folds:
    """Split the trading days once for each fold."""
    index = index_observations(universe.collect())
    reach = longest_reach(adopt_ml_dataset(ml_dataset, columns), entry_lag)
    planned = walking.plan_folds(index.days, params, reach)
    for fold in planned.folds:
        require_stocks(fold, index.days, index.stocks_per_day())
    return planned


def draw_folds(folds: Folds) -> go.Figure:
    """Draw which days do what in each fold."""
    return draw_splits(folds.folds)
