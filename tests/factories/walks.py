"""A small market and a walk through it."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from atft_kedro.evaluation.entries import collect_returns, returns_by_lag
from atft_kedro.features.build import FeatureParams
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.market.cleaning import CleaningParams, clean_price_table
from atft_kedro.panel.folds import FoldParams, plan_folds
from atft_kedro.panel.scaler import FeatureCatalogue, ScalerParams
from atft_kedro.panel.split import DateRange, Split
from atft_kedro.panel.universe import UniverseParams, select_universe
from atft_kedro.schema import feature_columns
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from atft_kedro.walk_forward.fold import FoldRecipe, MarketTables
from atft_kedro.walk_forward.score import ScoredWalk, pool_forecasts, score_walk
from atft_kedro.walk_forward.walk import FoldResult, FoldResults, WalkParams, train_folds
from factories.datasets import make_graphs, make_ml_dataset
from factories.forecasts import EVALUATION
from factories.params import make_params
from factories.training import NETWORK, PHASES

FOLDS = make_params(FoldParams, n_folds=2, train_days=120, validation_days=60, embargo_days=0)
SHORT = make_params(TrainingParams, phases=PHASES, epochs=2, days_per_block=16, device="cpu")


def write_tables(prices: pl.DataFrame, folder: Path) -> MarketTables:
    """Write all tables of a market to files."""
    clean = clean_price_table(prices.lazy(), make_params(CleaningParams), date.today())[0]
    dataset = make_ml_dataset(clean, make_params(FeatureParams))
    frames = {
        "dataset": dataset,
        "universe": select_universe(dataset.lazy(), make_params(UniverseParams)),
        "graphs": make_graphs(dataset, make_params(GraphParams, neighbours=4)),
    }
    folder.mkdir(parents=True)
    for name, table in frames.items():
        table.write_parquet(folder / f"{name}.parquet")
    return MarketTables(**{name: pl.scan_parquet(folder / f"{name}.parquet") for name in frames})


def make_recipe(tables: MarketTables, training: TrainingParams = SHORT) -> FoldRecipe:
    families = dict.fromkeys(feature_columns(tables.dataset.collect_schema()), "own")
    return FoldRecipe(
        FeatureCatalogue("made", families), 0, make_params(ScalerParams), NETWORK, training, make_params(GraphParams)
    )


def make_splits(tables: MarketTables, params: FoldParams = FOLDS) -> tuple[Split, ...]:
    days = tables.dataset.select(pl.col("date").unique().sort()).collect()["date"].to_numpy()
    return plan_folds(days, params, 20).folds


def run_walk(
    tables: MarketTables, folder: Path, training: TrainingParams = SHORT, folds: FoldParams = FOLDS, processes: int = 2
) -> FoldResults:
    runs = Runs(folder, "commit", is_dirty=False)
    recipe, splits = make_recipe(tables, training), make_splits(tables, folds)
    return train_folds(splits, tables, recipe, runs, WalkParams(processes=processes))


def score_trained(trained: FoldResults, folder: Path, dataset: pl.LazyFrame) -> ScoredWalk:
    """Score the forecasts of a walk, entered at the same close as its targets."""
    pooled = pool_forecasts(trained, folder, dataset).collect()
    returns = returns_by_lag(collect_returns(dataset, pooled["date"], 0), 0)
    return score_walk(trained, folder, pooled, returns, EVALUATION)


DAYS = [date(2020, 1, 1) + timedelta(days=number) for number in range(60)]
CODES = [f"S{number:02}" for number in range(20)]


def make_returns() -> pl.LazyFrame:
    """Make random one-day returns of all stocks and days."""
    keys = pl.DataFrame({"date": DAYS}).join(pl.DataFrame({"code": CODES}), how="cross")
    returns = np.random.default_rng(1).standard_normal(keys.height) / 100
    return keys.with_columns(target_1d=pl.Series(returns, dtype=pl.Float32)).lazy()


def make_forecasts(first: int, last: int, seed: int, split: str = "test") -> pl.DataFrame:
    """Make random forecasts of the days from ``first`` to before ``last``."""
    keys = pl.DataFrame({"date": DAYS[first:last]}).join(pl.DataFrame({"code": CODES}), how="cross")
    values = np.random.default_rng(seed).standard_normal(keys.height).astype(np.float32)
    columns = {"split": pl.lit(split), "horizon": pl.lit(1, pl.Int16), "forecast": values, "q50": values}
    return keys.with_columns(**columns)


def write_fold(folder: Path, name: str, *ranges: tuple[int, int], seed: int) -> FoldResult:
    """Write the forecasts of a fold, including validation days, to its folder."""
    (folder / name).mkdir()
    tested = [make_forecasts(first, last, seed) for first, last in ranges]
    pl.concat([make_forecasts(0, 5, 9, "validation"), *tested]).write_parquet(folder / name / "forecasts.parquet")
    days = [DateRange(split="test", first=DAYS[a], last=DAYS[b - 1], days=b - a) for a, b in ranges]
    return FoldResult(name=name, folder=name, tested=tuple(days))
