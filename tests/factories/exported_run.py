"""A small market with stocks that seldom trade, a run on it, and the exported model."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.conformal import fit_corrections
from atft_kedro.evaluation.entries import collect_returns
from atft_kedro.evaluation.forecast_table import forecast_all_splits
from atft_kedro.export.model import Model, load_model
from atft_kedro.export.model_card import ModelInputs
from atft_kedro.graph.panel_indices import index_graphs
from atft_kedro.panel.build import plan_panel
from atft_kedro.panel.index import index_observations
from atft_kedro.panel.scaler import FeatureCatalogue, ScalerParams, fit_scaler
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.panel.universe import select_universe
from atft_kedro.panel.write import build_panel_in_memory
from atft_kedro.schema import FORECASTER, feature_columns
from atft_kedro.training.data import TrainingData
from atft_kedro.training.forecasting import load_members
from atft_kedro.training.run import train_in_run
from atft_kedro.training.runs import Runs
from factories.datasets import make_graphs
from factories.exports import CATALOGUE, GRAPH, NETWORK, SELDOM, TRAINING, UNIVERSE, Trained
from factories.forecasts import EVALUATION
from factories.params import make_params


@pytest.fixture(scope="session")
def catalogue(ml_dataset: pl.DataFrame) -> FeatureCatalogue:
    return FeatureCatalogue(CATALOGUE, dict.fromkeys(feature_columns(ml_dataset.schema), "own"))


@pytest.fixture(scope="session")
def dataset(ml_dataset: pl.DataFrame) -> pl.DataFrame:
    """A market in which one stock trades every fourth day, and another pauses for 90 days."""
    days = ml_dataset["date"].unique().sort()
    rare, suspended = SELDOM
    day_number = pl.col("date").rank("dense")
    is_rare = (pl.col("code") == rare) & (day_number % 4 != 1)
    is_suspended = (pl.col("code") == suspended) & pl.col("date").is_between(days[200], days[290])
    return ml_dataset.filter(~is_rare & ~is_suspended)


@pytest.fixture(scope="session")
def trained(dataset: pl.DataFrame, catalogue: FeatureCatalogue, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    lazy = dataset.lazy()
    index = index_observations(select_universe(lazy, UNIVERSE))
    split = split_days(index.days, make_params(SplitParams, embargo_days=0), 20)
    scaler = fit_scaler(lazy, index, split, catalogue, make_params(ScalerParams))
    panel = build_panel_in_memory(plan_panel(lazy, index, scaler, entry_lag=0))
    training_data = TrainingData(panel, index_graphs(make_graphs(dataset, GRAPH, UNIVERSE).lazy(), panel), split)
    runs = Runs(tmp_path_factory.mktemp("exports") / "runs", commit="abcdef0123456", is_dirty=True)
    run = runs.find(train_in_run(training_data, NETWORK, TRAINING, runs).run)
    members = load_members(run, training_data)
    forecasts, _ = forecast_all_splits(dict(enumerate(members)), training_data)
    no_baselines = forecasts.clear().with_columns(pl.lit("").alias(FORECASTER))
    returns = collect_returns(lazy, forecasts["date"], 0)
    return Trained(
        dataset=dataset,
        training_data=training_data,
        runs=runs,
        run=run,
        members=members,
        forecasts=forecasts,
        inputs=ModelInputs.from_schema(dataset.schema, scaler, UNIVERSE, GRAPH, 0),
        corrections=fit_corrections(forecasts, "gaussian_rank"),
        score=score_run(run.name, forecasts, no_baselines, returns, EVALUATION, 0)[0],
    )


@pytest.fixture(scope="session")
def model_folder(trained: Trained) -> Path:
    return trained.export()


@pytest.fixture(scope="session")
def model(model_folder: Path) -> Model:
    return load_model(model_folder)


@pytest.fixture(scope="session")
def refresh_day(trained: Trained) -> date:
    """The newest day on which the training has a new graph, as a live forecast always has."""
    days = trained.dataset["date"].unique().sort()
    return days[(len(days) - 8) // (4 * GRAPH.refresh_days) * 4 * GRAPH.refresh_days]  # and the rare stock trades
