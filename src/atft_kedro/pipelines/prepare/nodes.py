"""Nodes that decide who is forecast, which days train, how features are scaled, and lay it all out."""

from typing import Any

import plotly.graph_objects as go
import polars as pl

from atft_kedro.market.benchmark_returns import Labels
from atft_kedro.panel import build as filling
from atft_kedro.panel import fit_scaler as fitting
from atft_kedro.panel import split as splitting
from atft_kedro.panel import universe as choosing
from atft_kedro.panel.fit_scaler import FeatureCatalogue
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.scaler import Scaler, ScalerParams
from atft_kedro.panel.split import Split, SplitParams, count_sizes
from atft_kedro.panel.universe import UniverseParams
from atft_kedro.panel.write import PanelDraft
from atft_kedro.reporting.split_figures import plot_splits
from atft_kedro.schema import target_span


def select_universe(
    mapped_dataset: pl.LazyFrame,
    guard_verdict: dict[str, Any],
    labels: Labels,
    params: UniverseParams,
) -> tuple[pl.DataFrame, UniverseParams]:
    """Say of every row whether it is forecast, and by which rule.

    The verdict is there because the guard lets the dataset pass.
    """
    return labels.admit(choosing.select_universe(mapped_dataset, params)), params


def split_days(
    mapped_dataset: pl.LazyFrame,
    universe: pl.LazyFrame,
    labels: Labels,
    entry_lag: int,
    params: SplitParams,
) -> Split:
    """Cut the trading days into train, validation and test."""
    index = index_observations(universe.collect())
    reach = target_span(mapped_dataset, entry_lag)
    drawn = splitting.split_days(index.days, params.date_by(labels.days, index.days), reach)
    return count_sizes(drawn, index.days, index.stocks_per_day(), params.sizes)


def draw_split(split: Split) -> go.Figure:
    """Draw which days do what."""
    return plot_splits([split])


def fit_scaler(
    mapped_dataset: pl.LazyFrame,
    universe: pl.LazyFrame,
    split: Split,
    feature_catalogue: dict[str, Any],
    params: ScalerParams,
) -> Scaler:
    """Fit every feature's scale on the train days."""
    index, catalogue = index_observations(universe.collect()), FeatureCatalogue.of(feature_catalogue)
    return fitting.fit_scaler(mapped_dataset, index, split, catalogue, params)


def write_panel(mapped_dataset: pl.LazyFrame, universe: pl.LazyFrame, scaler: Scaler, entry_lag: int) -> PanelDraft:
    """Scale every row and lay it out by stock; it is drawn while it is written."""
    index = index_observations(universe.collect())
    return filling.draft_panel(mapped_dataset, index, scaler, entry_lag)
