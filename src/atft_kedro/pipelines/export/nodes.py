"""Nodes that correct the quantiles of a run, export its model and describe it for the registry."""

from pathlib import Path

import polars as pl

from atft_kedro.evaluation import conformal
from atft_kedro.evaluation.conformal import Corrections
from atft_kedro.evaluation.score import RunScore
from atft_kedro.export import model, model_folder
from atft_kedro.export.champion import ModelRole
from atft_kedro.export.experiments import write_experiments
from atft_kedro.export.model import Registration
from atft_kedro.export.model_card import ModelInputs, PriceInputs, find_price_columns
from atft_kedro.export.model_folder import ExportedModel, ExportedModels
from atft_kedro.features.build import FeatureParams
from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.guard.inspection import GuardParams
from atft_kedro.market.cleaning import CleaningParams
from atft_kedro.panel.build import PanelPreparation
from atft_kedro.training.data import TrainingData
from atft_kedro.training.forecasting import load_members
from atft_kedro.training.run_status import read_training
from atft_kedro.training.runs import Runs, read_manifest

USUAL_DAYS = 20  # the usual number of stocks is the median over this many newest days


def describe_inputs(  # noqa: PLR0913, PLR0917 — each argument is a separate dataset
    mapped_dataset: pl.LazyFrame,
    training_data: TrainingData,
    preparation: PanelPreparation,
    run_folder: Path,
    features: FeatureParams,
    cleaning: CleaningParams,
    max_unknown_features: float,
    guard: GuardParams,
) -> ModelInputs:
    """Describe the columns, scaler, universe and graphs that a run's networks need.

    For features that this project computes, also how they are computed from prices. A panel other than that of the
    run's training is refused.
    """
    panel, graph = training_data.panel, training_data.graph_params
    assert isinstance(graph, GraphParams)  # they are known for graphs from the catalog
    panel.require_same(run_folder.name, read_manifest(run_folder)["panel"])
    scaler, entry_lag = preparation.scaler, panel.metadata.entry_lag
    panel.require_features(scaler.feature_hash, tuple(scaler.names()))
    schema = mapped_dataset.collect_schema()
    inputs = ModelInputs.from_schema(schema, scaler, preparation.universe, graph, entry_lag)
    prices = None
    if inputs.are_computed_by(features):
        prices = PriceInputs(
            columns=(*find_price_columns(mapped_dataset), *features.columns),
            features=features.model_copy(update={"horizons": panel.metadata.horizons, "entry_lag": entry_lag}),
            cleaning=cleaning,
            max_unknown_features=max_unknown_features,
            usual_stocks=int((panel.row_of[-USUAL_DAYS:] >= 0).sum(1).median()),
            calendar=guard.recency.calendar,
            time_zone=guard.recency.time_zone,
        )
    return inputs.model_copy(update={"codes": panel.metadata.codes, "prices": prices})


def fit_corrections(forecasts: pl.LazyFrame, run_folder: Path) -> Corrections:
    """Fit the shifts that give each quantile its nominal coverage on the validation days.

    For example the 10 % quantile is shifted until about 10 % of the labels are below it (conformal prediction).
    """
    return conformal.fit_corrections(forecasts.collect(), read_training(run_folder).labels.transform)


def export_model(
    training_data: TrainingData,
    run_folder: Path,
    inputs: ModelInputs,
    corrections: Corrections,
    metrics: RunScore,
) -> ExportedModel:
    """Write the model folder of the run."""
    members = load_members(run_folder, training_data)
    return model_folder.export_model(run_folder, members, inputs, corrections, metrics)


def propose_candidate(exported: ExportedModel, runs: Runs, is_candidate: bool) -> ModelRole:
    """Make the run the first champion or the challenger, and list it among all runs."""
    role = ExportedModels(runs).add_candidate(exported.run, is_candidate)
    write_experiments(runs.folder / exported.run)
    return ModelRole(run=exported.run, role=role)


def prepare_registration(
    exported: ExportedModel, run_folder: Path, mapped_dataset: pl.LazyFrame, role: ModelRole
) -> Registration:
    """Collect what MLflow's registry needs; the model is registered when this is saved.

    ``role`` is not read. As an input, it makes Kedro store the role first, which MLflow's aliases repeat.
    """
    return model.prepare_registration(run_folder / exported.folder, mapped_dataset)
