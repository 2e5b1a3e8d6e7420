"""Nodes that compare a run's model with the champion's, and make a refit the champion."""

from datetime import date
from typing import Any

import polars as pl

from atft_kedro.evaluation.score import ScoringParams
from atft_kedro.export.champion import GateVerdict, ModelRole
from atft_kedro.export.experiments import write_experiments
from atft_kedro.export.model_folder import ExportedModel, ExportedModels
from atft_kedro.export.predict import PredictParams
from atft_kedro.guard.inspection import GuardParams
from atft_kedro.live import retrain
from atft_kedro.live.gate import ChampionParams, GateData
from atft_kedro.panel.scaler import FeatureCatalogue
from atft_kedro.training.hardware import choose_device
from atft_kedro.training.runs import Runs


def apply_gate(  # noqa: PLR0913, PLR0917 — each argument is a separate dataset
    role: ModelRole,
    exported_models: ExportedModels,
    mapped_dataset: pl.LazyFrame,
    feature_catalogue: dict[str, Any],
    guard_verdict: dict[str, Any],
    today: date,
    entry_lag: int,
    guard: GuardParams,
    params: ChampionParams,
    scoring: ScoringParams,
    limits: PredictParams,
    device: str,
) -> GateVerdict:
    """Compare the run's model with the champion's on days that neither has learned from."""
    catalogue = FeatureCatalogue.of(feature_catalogue)
    on_device = choose_device(device)
    data = GateData(mapped_dataset, catalogue, entry_lag, guard_verdict, today, guard.recency, on_device)
    return retrain.check_candidate(exported_models, role, data, params, scoring, limits)


def promote_refit(exported: ExportedModel, runs: Runs, mapped_dataset: pl.LazyFrame) -> ModelRole:
    """Make a refit the champion, and list it among all runs."""
    role = retrain.promote_refit(ExportedModels(runs), exported.run, mapped_dataset)
    write_experiments(runs.folder / exported.run)
    return role
