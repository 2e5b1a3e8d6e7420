"""Datasets, graphs and panels of small markets, and the daily IC computed simply."""

from pathlib import Path

import numpy as np
import polars as pl

from atft_kedro.features.build import FeatureParams, build_ml_dataset
from atft_kedro.graph.daily import build_graphs
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.graph.panel_indices import index_graphs
from atft_kedro.graph.returns import compute_market_history
from atft_kedro.panel.build import plan_panel
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.scaler import FeatureCatalogue, ScalerParams, fit_scaler
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.panel.store import Panel, open_panel
from atft_kedro.panel.universe import UniverseParams, select_universe
from atft_kedro.panel.write import PanelPlan, PanelRows, write_panel
from atft_kedro.schema import feature_columns
from atft_kedro.training.data import TrainingData
from factories.params import make_params


def make_ml_dataset(
    prices: pl.DataFrame, params: FeatureParams, delistings: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Build the whole dataset at once."""
    return pl.concat(build_ml_dataset(prices.lazy(), params, delistings))


def delist(prices: pl.DataFrame, *returns: float, days: int = 0) -> pl.DataFrame:
    """Make the delistings of the first stocks whose prices end, some days after their last price."""
    ended = prices.group_by("code").agg(pl.col("date").max()).sort("date", "code").head(len(returns))
    return ended.select(pl.col("date") + pl.duration(days=days), "code", pl.Series("return", returns))


def daily_ic(frame: pl.DataFrame, forecast: str, realised: str) -> pl.Series:
    """Correlate inside each day, over the rows where both are known."""
    known = frame.select("date", forecast, realised).drop_nulls()
    return known.group_by("date").agg(pl.corr(forecast, realised).alias("ic")).drop_nulls().drop_nans()["ic"]


def make_panel(
    frame: pl.DataFrame, folder: Path, universe: UniverseParams | None = None, scaler: ScalerParams | None = None
) -> Panel:
    """Prepare a dataset as the pipeline does, on 60 % of its days, and open the panel."""
    lazy = frame.lazy()
    index = index_observations(select_universe(lazy, universe or make_params(UniverseParams)))
    split = split_days(index.days, make_params(SplitParams, train=0.6, validation=0.2, embargo_days=0), 20)
    catalogue = FeatureCatalogue("abc", dict.fromkeys(feature_columns(frame.schema), "own"))
    fitted = fit_scaler(lazy, index, split, catalogue, scaler or make_params(ScalerParams))
    write_panel(folder, plan_panel(lazy, index, fitted, entry_lag=0))
    return open_panel(folder)


def make_graphs(frame: pl.DataFrame, params: GraphParams, universe: UniverseParams | None = None) -> pl.DataFrame:
    """Build all graphs at once."""
    index = index_observations(select_universe(frame.lazy(), universe or make_params(UniverseParams)))
    return pl.concat(build_graphs(compute_market_history(frame.lazy(), index, 0), params))


def make_training_data(frame: pl.DataFrame, folder: Path) -> TrainingData:
    """Make all that a network is trained on."""
    panel = make_panel(frame, folder)
    split = split_days(panel.days, make_params(SplitParams, embargo_days=0), 20)
    graphs = index_graphs(make_graphs(frame, make_params(GraphParams, neighbours=4)).lazy(), panel)
    return TrainingData(panel, graphs, split)


def plan_of(panel: Panel, pieces: list[PanelRows]) -> PanelPlan:
    """Draft a panel again, of other pieces."""
    eligible, row_of = panel.eligible.numpy(), panel.row_of.numpy()
    return PanelPlan(panel.metadata, row_of, eligible, len(panel.features) - 1, pieces)


def batches_of(panel: Panel) -> list[PanelRows]:
    """Cut a panel into two pieces."""
    rows = np.arange(len(panel.features) - 1)
    days, market = np.arange(len(panel.market)), panel.market.numpy()
    return [
        PanelRows(some, panel.features.numpy()[some], panel.targets.numpy()[some], days, market)
        for some in np.split(rows, [7])
    ]
