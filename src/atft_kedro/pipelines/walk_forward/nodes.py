"""Nodes of the walk-forward validation (walk): plan the folds, train them, and score them."""

from typing import Any

import plotly.graph_objects as go
import polars as pl

from atft_kedro.evaluation.entries import collect_returns, returns_by_lag
from atft_kedro.evaluation.position_score import PositionResult
from atft_kedro.evaluation.score import ScoringParams
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.network.params import NetworkParams
from atft_kedro.panel import folds as fold_planning
from atft_kedro.panel.folds import FoldParams, Folds
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.scaler import FeatureCatalogue, ScalerParams
from atft_kedro.panel.split import add_sizes
from atft_kedro.positions.plan import PositionParams
from atft_kedro.positions.simulate import PositionTables, simulate_if_possible
from atft_kedro.reporting.split_figures import plot_splits
from atft_kedro.schema import DATE, target_span
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from atft_kedro.training.tracking import Tracker
from atft_kedro.walk_forward import score, walk
from atft_kedro.walk_forward.fold import FoldRecipe, MarketTables
from atft_kedro.walk_forward.report import build_walk_page, collect_walk_metrics, plot_walk
from atft_kedro.walk_forward.score import WalkScore
from atft_kedro.walk_forward.walk import FoldResults, WalkParams


def plan_folds(mapped_dataset: pl.LazyFrame, universe: pl.LazyFrame, entry_lag: int, params: FoldParams) -> Folds:
    """Split the trading days into train, validation and test days for each fold."""
    index = index_observations(universe.collect())
    planned = fold_planning.plan_folds(index.days, params, target_span(mapped_dataset, entry_lag))
    stocks = index.stocks_per_day()
    return Folds(folds=tuple(add_sizes(fold, index.days, stocks, params.sizes) for fold in planned.folds))


def plot_folds(folds: Folds) -> go.Figure:
    """Plot the train, validation and test days of each fold."""
    return plot_splits(folds.folds)


def group_tables(mapped_dataset: pl.LazyFrame, universe: pl.LazyFrame, graphs: pl.LazyFrame) -> MarketTables:
    """Put the lazy tables that every fold reads into one object."""
    return MarketTables(mapped_dataset, universe, graphs)


def group_fold_params(
    feature_catalogue: dict[str, Any],
    entry_lag: int,
    scaler: ScalerParams,
    network: NetworkParams,
    training: TrainingParams,
    graph_params: GraphParams,
) -> FoldRecipe:
    """Put the parameters that all folds have in common into one object."""
    return FoldRecipe(FeatureCatalogue.of(feature_catalogue), entry_lag, scaler, network, training, graph_params)


def train_folds(
    folds: Folds, market_tables: MarketTables, fold_recipe: FoldRecipe, fold_runs: Runs, params: WalkParams
) -> FoldResults:
    """Train and forecast every unfinished fold, each in its own process and folder."""
    return walk.train_folds(folds.folds, market_tables, fold_recipe, fold_runs, params)


def pool_forecasts(trained_folds: FoldResults, fold_runs: Runs, mapped_dataset: pl.LazyFrame) -> pl.LazyFrame:
    """Join the test-day forecasts of all finished folds into one table."""
    return score.pool_forecasts(trained_folds, fold_runs.folder, mapped_dataset)


def simulate_positions(
    trained_folds: FoldResults,
    fold_runs: Runs,
    mapped_dataset: pl.LazyFrame,
    delistings: pl.DataFrame,
    params: PositionParams,
) -> PositionTables:
    """Hold the positions of all test days; each fold's validation days calibrate it."""
    forecasts = score.read_fold_forecasts(trained_folds, fold_runs.folder)
    return simulate_if_possible(forecasts, mapped_dataset, delistings, params, score.FOLD)


def score_folds(  # noqa: PLR0913, PLR0917 — what is scored, and how
    trained_folds: FoldResults,
    fold_runs: Runs,
    walk_forecasts: pl.LazyFrame,
    walk_position_result: PositionResult,
    mapped_dataset: pl.LazyFrame,
    fold_recipe: FoldRecipe,
    params: ScoringParams,
) -> tuple[WalkScore, go.Figure]:
    """Score the folds and the pooled forecasts, and plot the scores."""
    pooled, entry_lag = walk_forecasts.collect(), fold_recipe.entry_lag
    returns = returns_by_lag(collect_returns(mapped_dataset, pooled[DATE], entry_lag), entry_lag)
    # The forecasts have the units of the training labels.
    evaluation = params.with_units(fold_recipe.training.labels.transform)
    result = score.score_walk(trained_folds, fold_runs.folder, pooled, returns, evaluation)
    scored = result.score.model_copy(update={"positions": walk_position_result.score})
    return scored, plot_walk(scored, result.daily)


def report_walk(walk_score: WalkScore, walk_figure: go.Figure, tracker: Tracker) -> str:
    """Build the report page of the walk; log it, the figure and the metrics to the tracker."""
    page = build_walk_page(walk_score)
    for step, metrics in collect_walk_metrics(walk_score):
        tracker.log_metrics(metrics, step)
    tracker.log_text(page, "walk.md")
    tracker.log_text(walk_figure.to_html(), "walk.html")
    return page


def require_every_fold(walk_score: WalkScore) -> dict[str, int]:
    """Raise an error if a fold failed; else return the number of folds.

    The pipeline runs this node last, so that the results of the other folds are saved before.
    """
    walk_score.require_every_fold()
    return {"folds": len(walk_score.folds)}
