"""Nodes of the hyperparameter search: run trials, plot the study, confirm its winner and report."""

import plotly.graph_objects as go

from atft_kedro.evaluation.score import ScoringParams
from atft_kedro.network.params import NetworkParams
from atft_kedro.reporting.html_pages import figure_title
from atft_kedro.search import report, run_search
from atft_kedro.search.confirmation import Confirmation, ConfirmationTrainer, confirm
from atft_kedro.search.plan import SearchParams
from atft_kedro.search.study import load_study
from atft_kedro.search.study_status import StudyStatus
from atft_kedro.search.trial import TrialTrackers
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from atft_kedro.training.tracking import Tracker


def search(
    training_data: TrainingData,
    trials: Runs,
    trackers: TrialTrackers,
    network: NetworkParams,
    training: TrainingParams,
    params: SearchParams,
) -> StudyStatus:
    """Run trials until as many as wanted have started and all have ended."""
    return run_search.search(training_data, (network, training), params, trials, trackers)


def plot_study(status: StudyStatus, trials: Runs, params: SearchParams) -> tuple[go.Figure, ...]:
    """Plot the trials of the study."""
    return report.plot_study(load_study(run_search.find_storage(params, trials), status.study))


def make_trainer(training_data: TrainingData, trials: Runs, trackers: TrialTrackers) -> ConfirmationTrainer:
    """Create what retrains the winner and the current configuration."""
    return ConfirmationTrainer(training_data, trials, trackers)


def confirm_winner(
    status: StudyStatus,
    trainer: ConfirmationTrainer,
    network: NetworkParams,
    training: TrainingParams,
    params: SearchParams,
    evaluation: ScoringParams,
) -> Confirmation:
    """Retrain the winner and the current configuration with other seeds."""
    return confirm(status, trainer, (network, training), params, evaluation.with_units(training.labels.transform))


def write_search(
    status: StudyStatus,
    confirmation: Confirmation,
    tracker: Tracker,
    network: NetworkParams,
    training: TrainingParams,
    *figures: go.Figure,
) -> tuple[str, str]:
    """Build the summary and the report; log them, the figures and the metrics to the tracker."""
    summary, page = report.build_pages(status, confirmation, (network, training), figures)
    tracker.log_text(summary, "search.md")
    tracker.log_text(page, "search.html")
    tracker.log_metrics(report.collect_metrics(status, confirmation), 0)
    for figure in figures:
        tracker.log_text(figure.to_json(), f"plots/{figure_title(figure)}.json")
    return summary, page
