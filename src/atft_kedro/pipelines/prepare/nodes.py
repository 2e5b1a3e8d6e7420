"""Nodes that select the universe, split the days, fit the scaler and write the panel."""

from typing import Any

import polars as pl

from atft_kedro.market.benchmark_returns import BenchmarkReturns
from atft_kedro.panel import scaler as scaling
from atft_kedro.panel import split as splitting
from atft_kedro.panel import universe as choosing
from atft_kedro.panel.build import PanelPreparation, plan_panel
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.scaler import FeatureCatalogue, Scaler, ScalerParams
from atft_kedro.panel.split import Split, SplitParams, count_sizes
from atft_kedro.panel.universe import UniverseParams
from atft_kedro.panel.write import PanelPlan
from atft_kedro.schema import target_span


def select_universe(
    mapped_dataset: pl.LazyFrame,
    guard_verdict: dict[str, Any],
    benchmark_returns: BenchmarkReturns,
    params: UniverseParams,
) -> pl.DataFrame:
    """Mark the rows to forecast.

    The verdict is an input so that this node runs after the guard.
    """
    return benchmark_returns.restrict_universe(choosing.select_universe(mapped_dataset, params))


def split_days(
    mapped_dataset: pl.LazyFrame,
    universe: pl.LazyFrame,
    benchmark_returns: BenchmarkReturns,
    entry_lag: int,
    params: SplitParams,
) -> Split:
    """Split the trading days into train, validation and test."""
    index = index_observations(universe.collect())
    dated = params.fill_dates(benchmark_returns.days, index.days)
    split = splitting.split_days(index.days, dated, target_span(mapped_dataset, entry_lag))
    return count_sizes(split, index.days, index.stocks_per_day(), params.sizes)


def fit_scaler(
    mapped_dataset: pl.LazyFrame,
    universe: pl.LazyFrame,
    split: Split,
    feature_catalogue: dict[str, Any],
    params: ScalerParams,
) -> Scaler:
    """Fit the scale of every feature on the train days."""
    index, catalogue = index_observations(universe.collect()), FeatureCatalogue.of(feature_catalogue)
    return scaling.fit_scaler(mapped_dataset, index, split, catalogue, params)


def write_panel(
    mapped_dataset: pl.LazyFrame, universe: pl.LazyFrame, scaler: Scaler, entry_lag: int, params: UniverseParams
) -> tuple[PanelPlan, PanelPreparation]:
    """Scale every row and sort them by stock; rows are computed while the panel is saved."""
    plan = plan_panel(mapped_dataset, index_observations(universe.collect()), scaler, entry_lag)
    return plan, PanelPreparation(scaler=scaler, universe=params)
