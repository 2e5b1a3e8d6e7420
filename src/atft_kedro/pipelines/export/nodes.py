"""Nodes that correct the quantiles of a run, export its model and describe it for the registry."""

import polars as pl

from atft_kedro.evaluation import conformal
from atft_kedro.evaluation.conformal import Corrections
from atft_kedro.evaluation.score import RunScore
from atft_kedro.export import model, model_folder
from atft_kedro.export.changelog import add_to_changelog
from atft_kedro.export.model import Registration
from atft_kedro.export.model_card import ModelInputs
from atft_kedro.export.model_folder import ExportedModel
from atft_kedro.files import read_json
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.panel.scaler import Scaler
from atft_kedro.panel.universe import UniverseParams
from atft_kedro.training.data import TrainingData
from atft_kedro.training.forecasting import load_members
from atft_kedro.training.run_status import read_training
from atft_kedro.training.runs import MANIFEST, Runs, TrainedRun


def describe_inputs(
    mapped_dataset: pl.LazyFrame,
    training_data: TrainingData,
    scaler: Scaler,
    universe: UniverseParams,
    runs: Runs,
    trained: TrainedRun,
) -> ModelInputs:
    """Describe the inputs of a run's networks with the parameters of its training."""
    panel, graph = training_data.panel, training_data.graphs_recipe
    assert isinstance(graph, GraphParams)
    panel.require_same(trained.run, read_json(runs.find(trained.run) / MANIFEST)["panel"])
    panel.require_features(scaler.feature_hash, tuple(scaler.names()))
    return ModelInputs.of(mapped_dataset.collect_schema(), scaler, universe, graph, panel.metadata.entry_lag)


def fit_corrections(forecasts: pl.LazyFrame, runs: Runs, trained: TrainedRun) -> Corrections:
    """Fit the shifts that give each quantile its nominal coverage on the validation days.

    For example the 10 % quantile is shifted until about 10 % of the labels are below it (conformal prediction).
    """
    labels = read_training(runs.find(trained.run)).labels
    return conformal.fit_corrections(forecasts.collect(), labels.transform)


def export_model(
    training_data: TrainingData,
    runs: Runs,
    trained: TrainedRun,
    inputs: ModelInputs,
    corrections: Corrections,
    metrics: RunScore,
) -> ExportedModel:
    """Write the model folder of the run, and add a row for it to the changelog."""
    run = runs.find(trained.run)
    members = load_members(run, training_data)
    exported = model_folder.export_model(run, members, inputs, corrections, metrics)
    add_to_changelog(run, exported, metrics)
    return exported


def prepare_registration(exported: ExportedModel, runs: Runs, mapped_dataset: pl.LazyFrame) -> Registration:
    """Collect what MLflow's registry needs; saving the dataset `registered_model` registers the model."""
    return model.prepare_registration(runs.find(exported.run) / exported.folder, mapped_dataset)
