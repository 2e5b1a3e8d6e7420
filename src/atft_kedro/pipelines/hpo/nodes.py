"""Nodes that search, draw, confirm and tell."""

import plotly.graph_objects as go

from atft_kedro.evaluation.score import EvaluationParams
from atft_kedro.network.params import NetworkParams
from atft_kedro.reporting.report_page import title_of
from atft_kedro.search import report as pages
from atft_kedro.search import run_search as searching
from atft_kedro.search.confirmation import Confirmation, Retrial, confirm
from atft_kedro.search.plan import SearchParams
from atft_kedro.search.study_status import Standing
from atft_kedro.search.trial import Trackers
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import Runs
from atft_kedro.training.tracking import Tracker


def search(
    training_data: TrainingData,
    trials: Runs,
    trackers: Trackers,
    network: NetworkParams,
    training: TrainingParams,
    params: SearchParams,
) -> Standing:
    """Try configurations until as many as are wanted have ended."""
    return searching.search(training_data, network, training, params, trials, trackers)


def draw_study(standing: Standing, trials: Runs, params: SearchParams) -> tuple[go.Figure, ...]:
    """Draw what was tried."""
    return pages.draw_study(searching.look_at(standing.study, searching.find_storage(params, trials)))


def confirm_winner(  # noqa: PLR0913, PLR0917 — what is trained, and how it is compared
    standing: Standing,
    training_data: TrainingData,
    trials: Runs,
    trackers: Trackers,
    network: NetworkParams,
    training: TrainingParams,
    params: SearchParams,
    evaluation: EvaluationParams,
) -> Confirmation:
    """Train the winner, and the configuration as it is, with several other seeds."""
    retrial = Retrial(training_data, trials, trackers)
    return confirm(standing, retrial, (network, training), params, evaluation)


def write_search(
    standing: Standing,
    confirmation: Confirmation,
    tracker: Tracker,
    network: NetworkParams,
    training: TrainingParams,
    *drawn: go.Figure,
) -> tuple[str, str]:
    """Write the pages that people read, and give them, every figure and the result to the tracker."""
    summary, report = pages.write_search(standing, confirmation, (network, training), drawn)
    tracker.write(summary, "search.md")
    tracker.write(report, "search.html")
    tracker.log(pages.number_search(standing, confirmation), 0)
    for figure in drawn:
        tracker.write(figure.to_json(), f"plots/{title_of(figure)}.json")
    return summary, report
