"""Nodes that train a run that passed the gate again on all days, and take over its scores."""

from pathlib import Path

import polars as pl

from atft_kedro.evaluation.conformal import Corrections
from atft_kedro.evaluation.forecast_table import open_table
from atft_kedro.evaluation.run_scores import DAILY, read_score
from atft_kedro.evaluation.score import RunScore
from atft_kedro.export.model_folder import ExportedModels
from atft_kedro.live.retrain import find_passed_run, read_corrections
from atft_kedro.network.params import NetworkParams
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.progress_bar import progress_callbacks
from atft_kedro.training.run import train_in_run
from atft_kedro.training.run_status import read_training
from atft_kedro.training.runs import Runs, TrainedRun
from atft_kedro.training.tracking import Tracker


def refit_network(
    exported_models: ExportedModels,
    runs: Runs,
    training_data: TrainingData,
    tracker: Tracker,
    network: NetworkParams,
    training: TrainingParams,
) -> TrainedRun:
    """Train the newest run that passed the gate again, on all days and with its own parameters."""
    refit = training.model_copy(update={"refit_of": find_passed_run(exported_models)})
    return train_in_run(training_data, network, refit, runs, tracker=tracker, callbacks=progress_callbacks())


def adopt_scores(run_folder: Path) -> tuple[Corrections, RunScore, pl.DataFrame]:
    """Read the quantile corrections and the scores of a refit's recipe."""
    recipe = run_folder.parent / str(read_training(run_folder).refit_of)
    return read_corrections(recipe), read_score(recipe), open_table(recipe / DAILY).collect()
