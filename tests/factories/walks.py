"""What tests of walks share: a small market, and a walk through it."""

from datetime import date
from pathlib import Path

import polars as pl

from atft_kedro.evaluation.entries import collect_returns, returns_by_lag
from atft_kedro.evaluation.score import EvaluationParams
from atft_kedro.features.sets import FeatureParams
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.market.cleaning import CleaningParams, clean_price_table
from atft_kedro.panel.fit_scaler import FeatureCatalogue
from atft_kedro.panel.folds import FoldParams, plan_folds
from atft_kedro.panel.scaler import ScalerParams
from atft_kedro.panel.split import Split
from atft_kedro.panel.universe import UniverseParams, select_universe
from atft_kedro.schema import feature_columns
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from atft_kedro.walk_forward.fold import History, Recipe
from atft_kedro.walk_forward.score import JudgedWalk, pool_forecasts, score_walk
from atft_kedro.walk_forward.walk import TrainedFolds, WalkParams, train_folds
from factories.datasets import make_graphs, make_ml_dataset
from factories.params import make_params
from factories.training import NETWORK, PHASES

FOLDS = FoldParams(n_folds=2, train_days=120, validation_days=60, embargo_days=0)
SHORT = make_params(TrainingParams, phases=PHASES, epochs=2, days_per_block=16, device="cpu")


def make_history(prices: pl.DataFrame, folder: Path) -> History:
    """Make all tables of a market, in files."""
    clean = clean_price_table(prices.lazy(), make_params(CleaningParams), date.today())[0]
    dataset = make_ml_dataset(clean, FeatureParams())
    tables = {
        "dataset": dataset,
        "universe": select_universe(dataset.lazy(), UniverseParams()),
        "graphs": make_graphs(dataset, GraphParams(neighbours=4)),
    }
    folder.mkdir(parents=True)
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
    return History(**{name: pl.scan_parquet(folder / f"{name}.parquet") for name in tables})


def make_recipe(history: History, training: TrainingParams = SHORT) -> Recipe:
    families = dict.fromkeys(feature_columns(history.dataset.collect_schema()), "own")
    return Recipe(FeatureCatalogue("made", families), 0, ScalerParams(), NETWORK, training, GraphParams())


def splits_of(history: History, params: FoldParams = FOLDS) -> tuple[Split, ...]:
    days = history.dataset.select(pl.col("date").unique().sort()).collect()["date"].to_numpy()
    return plan_folds(days, params, 20).folds


def walk(
    history: History, folder: Path, training: TrainingParams = SHORT, folds: FoldParams = FOLDS, processes: int = 2
) -> TrainedFolds:
    runs = Runs(folder, "commit", is_dirty=False)
    recipe, splits = make_recipe(history, training), splits_of(history, folds)
    return train_folds(splits, history, recipe, runs, WalkParams(processes=processes))


def judge_walk(history: History, folder: Path, trained: TrainedFolds) -> JudgedWalk:
    pooled = pool_forecasts(trained, folder, history.dataset).collect()
    returns = returns_by_lag(collect_returns(history.dataset, pooled["date"], 0), 0)
    return score_walk(trained, folder, pooled, returns, EvaluationParams())
