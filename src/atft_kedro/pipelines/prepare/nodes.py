"""Nodes that select the universe, split the days, fit the scaler and plan the panel.

``mapped_dataset`` is the ML dataset with the column names of this project.
"""

from typing import Any

import polars as pl

from atft_kedro.market.benchmark_returns import BenchmarkReturns
from atft_kedro.panel import build
from atft_kedro.panel import scaler as scaler_module
from atft_kedro.panel import split as split_module
from atft_kedro.panel import universe as universe_module
from atft_kedro.panel.build import PanelPreparation
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.scaler import FeatureCatalogue, Scaler, ScalerParams
from atft_kedro.panel.split import Split, SplitParams, add_sizes
from atft_kedro.panel.universe import UniverseParams
from atft_kedro.panel.write import PanelPlan
from atft_kedro.schema import target_span


def select_universe(
    mapped_dataset: pl.LazyFrame,
    guard_verdict: dict[str, Any],
    benchmark_returns: BenchmarkReturns,
    params: UniverseParams,
) -> pl.DataFrame:
    """Mark the rows to forecast; with benchmark returns, only rows of the benchmark.

    ``guard_verdict`` is not read. As an input, it makes Kedro check the data first.
    """
    return benchmark_returns.restrict_universe(universe_module.select_universe(mapped_dataset, params))


def split_days(
    mapped_dataset: pl.LazyFrame,
    universe: pl.LazyFrame,
    benchmark_returns: BenchmarkReturns,
    entry_lag: int,
    params: SplitParams,
) -> Split:
    """Split the trading days into train, validation and test days, with gaps between them.

    A split with too few days or stocks is an error.
    """
    index = index_observations(universe.collect())
    params_with_dates = params.fill_dates(benchmark_returns.days, index.days)
    split = split_module.split_days(index.days, params_with_dates, target_span(mapped_dataset, entry_lag))
    return add_sizes(split, index.days, index.stocks_per_day(), params.sizes)


def fit_scaler(
    mapped_dataset: pl.LazyFrame,
    universe: pl.LazyFrame,
    split: Split,
    feature_catalogue: dict[str, Any],
    params: ScalerParams,
) -> Scaler:
    """Fit the scaler on the eligible rows of the train days."""
    index, catalogue = index_observations(universe.collect()), FeatureCatalogue.of(feature_catalogue)
    return scaler_module.fit_scaler(mapped_dataset, index, split, catalogue, params)


def plan_panel(
    mapped_dataset: pl.LazyFrame, universe: pl.LazyFrame, scaler: Scaler, entry_lag: int, params: UniverseParams
) -> tuple[PanelPlan, PanelPreparation]:
    """Plan the panel; rows are scaled and sorted by stock while Kedro saves it."""
    plan = build.plan_panel(mapped_dataset, index_observations(universe.collect()), scaler, entry_lag)
    return plan, PanelPreparation(scaler=scaler, universe=params)
