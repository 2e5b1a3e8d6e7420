"""Nodes that plan the folds, train them, and score them one by one and together."""

from typing import Any

import plotly.graph_objects as go
import polars as pl

from atft_kedro.evaluation.entries import collect_returns, returns_by_lag
from atft_kedro.evaluation.score import EvaluationParams
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.network.params import NetworkParams
from atft_kedro.panel import folds as planning
from atft_kedro.panel.fit_scaler import FeatureCatalogue
from atft_kedro.panel.folds import FoldParams, Folds
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.scaler import ScalerParams
from atft_kedro.panel.split import count_sizes
from atft_kedro.reporting.split_figures import plot_splits
from atft_kedro.schema import DATE, target_span
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from atft_kedro.training.tracking import Tracker
from atft_kedro.walk_forward import score as scoring
from atft_kedro.walk_forward import walk as walking
from atft_kedro.walk_forward.fold import History, Recipe
from atft_kedro.walk_forward.page import draw_walk, number_folds, write_walk
from atft_kedro.walk_forward.score import WalkScore
from atft_kedro.walk_forward.walk import TrainedFolds, WalkParams


def plan_folds(mapped_dataset: pl.LazyFrame, universe: pl.LazyFrame, entry_lag: int, params: FoldParams) -> Folds:
    """Split the trading days once for each fold."""
    index = index_observations(universe.collect())
    reach = target_span(mapped_dataset, entry_lag)
    planned, stocks = planning.plan_folds(index.days, params, reach), index.stocks_per_day()
    return Folds(folds=tuple(count_sizes(fold, index.days, stocks, params.sizes) for fold in planned.folds))


def draw_folds(folds: Folds) -> go.Figure:
    """Draw which days do what in each fold."""
    return plot_splits(folds.folds)


def train_folds(  # noqa: PLR0913, PLR0917 — a walk needs all that a training does
    mapped_dataset: pl.LazyFrame,
    universe: pl.LazyFrame,
    graphs: pl.LazyFrame,
    graphs_recipe: GraphParams,
    folds: Folds,
    feature_catalogue: dict[str, Any],
    fold_folders: Runs,
    entry_lag: int,
    scaler: ScalerParams,
    network: NetworkParams,
    training: TrainingParams,
    walk: WalkParams,
) -> TrainedFolds:
    """Scale, lay out, train and forecast every fold that has not finished yet, each in its own process and folder."""
    history = History(mapped_dataset, universe, graphs)
    recipe = Recipe(FeatureCatalogue.of(feature_catalogue), entry_lag, scaler, network, training, graphs_recipe)
    return walking.train_folds(folds.folds, history, recipe, fold_folders, walk)


def pool_forecasts(trained_folds: TrainedFolds, fold_folders: Runs, mapped_dataset: pl.LazyFrame) -> pl.LazyFrame:
    """Put the test days of all folds that finished into one record."""
    return scoring.pool_forecasts(trained_folds, fold_folders.folder, mapped_dataset)


def score_folds(  # noqa: PLR0913, PLR0917 — what came, how it is scored, and whom to tell
    trained_folds: TrainedFolds,
    fold_folders: Runs,
    walk_forecasts: pl.LazyFrame,
    mapped_dataset: pl.LazyFrame,
    tracker: Tracker,
    entry_lag: int,
    training: TrainingParams,
    params: EvaluationParams,
) -> tuple[WalkScore, str, go.Figure]:
    """Score each fold and the whole record by what came, and tell that."""
    pooled = walk_forecasts.collect()
    came = collect_returns(mapped_dataset, pooled[DATE], entry_lag)
    entries = returns_by_lag(came, entry_lag)
    written = params.model_copy(update={"units": training.labels.transform})
    judged = scoring.score_walk(trained_folds, fold_folders.folder, pooled, entries, written)
    page, picture = write_walk(judged.score), draw_walk(judged.score, judged.daily)
    for place, numbers in number_folds(judged.score):
        tracker.log(numbers, place)
    tracker.write(page, "walk.md")
    tracker.write(picture.to_html(), "walk.html")
    return judged.score, page, picture


def require_every_fold(walk_score: WalkScore) -> dict[str, int]:
    """End the run in failure where a fold has failed, after all that the others gave is written."""
    walk_score.require_every_fold()
    return {"folds": len(walk_score.folds)}
