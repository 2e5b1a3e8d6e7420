"""Nodes that forecast, score, draw and tell."""

import plotly.graph_objects as go
import polars as pl

from atft_kedro.evaluation import baselines, entries, run_scores
from atft_kedro.evaluation import forecast_table as scoring
from atft_kedro.evaluation import oracle as oracle_module
from atft_kedro.evaluation.baselines import BaselineParams
from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.goals import GoalParams
from atft_kedro.evaluation.score import EvaluationParams, RunScore
from atft_kedro.panel.split import Split
from atft_kedro.reporting import run_pages
from atft_kedro.reporting import score_figures as figures
from atft_kedro.reporting import training_figures as pictures
from atft_kedro.reporting.graph_figures import draw_graph, draw_turnover, measure_turnover
from atft_kedro.reporting.report_page import title_of
from atft_kedro.reporting.run_tables import collect_test_metrics
from atft_kedro.reporting.split_figures import plot_splits
from atft_kedro.schema import DATE
from atft_kedro.training.data import TrainingData
from atft_kedro.training.ensemble import load_members
from atft_kedro.training.hardware import choose_device
from atft_kedro.training.run_status import read_history, read_training
from atft_kedro.training.runs import Runs, TrainedRun
from atft_kedro.training.tracking import Tracker


def forecast_splits(
    training_data: TrainingData, runs: Runs, trained: TrainedRun, device: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forecast the last train days and all validation and test days by the mean of a run's networks, and by each."""
    training_data = training_data.to(choose_device(device))
    networks = load_members(runs.find(trained.run), training_data)
    seeds = [member.seed for member in trained.members]
    return scoring.forecast_splits(dict(zip(seeds, networks, strict=True)), training_data)


def forecast_baselines(  # noqa: PLR0913, PLR0917 — rules read prices, models the panel
    forecasts: pl.LazyFrame,
    mapped_dataset: pl.LazyFrame,
    oracle: pl.LazyFrame,
    training_data: TrainingData,
    trained: TrainedRun,
    runs: Runs,
    entry_lag: int,
    params: BaselineParams,
) -> pl.DataFrame:
    """Forecast what the run forecasts, by every baseline and by the oracle of a simulated market."""
    asked = forecasts.collect()
    units = read_training(runs.find(trained.run)).labels.transform
    rivals = baselines.forecast_baselines(asked, mapped_dataset, training_data, units, params)
    return pl.concat([rivals, oracle_module.forecast_with_oracle(asked, oracle.collect(), entry_lag)])


def collect_returns(forecasts: pl.LazyFrame, mapped_dataset: pl.LazyFrame, entry_lag: int) -> pl.DataFrame:
    """Read the realised returns on the days of the forecasts, entered at the same close and at the next."""
    days = forecasts.select(DATE).collect()[DATE]
    return entries.collect_returns(mapped_dataset, days, entry_lag)


def score_forecasts(  # noqa: PLR0913, PLR0917 — what came, and how it is scored
    forecasts: pl.LazyFrame,
    baseline_forecasts: pl.LazyFrame,
    seed_forecasts: pl.LazyFrame,
    realised_returns: pl.LazyFrame,
    trained: TrainedRun,
    runs: Runs,
    entry_lag: int,
    params: EvaluationParams,
    goals: GoalParams,
) -> tuple[RunScore, pl.DataFrame]:
    """Score every part by what came, beside the baselines, each network alone and the targets."""
    rivals = pl.concat([baseline_forecasts, seed_forecasts]).collect()
    folder, said, came = runs.find(trained.run), forecasts.collect(), realised_returns.collect()
    params = run_scores.use_run_units(params, folder)
    score, daily = score_run(folder.name, said, rivals, came, params, entry_lag)
    return run_scores.add_goals(score, folder, goals), daily


def draw_scores(metrics: RunScore, daily_scores: pl.LazyFrame) -> tuple[go.Figure, ...]:
    """Draw what the forecasts are worth."""
    return figures.draw_scores(metrics, daily_scores.collect())


def plot_training(
    trained: TrainedRun,
    runs: Runs,
    feature_weights: pl.LazyFrame,
    lag_weights: pl.LazyFrame,
    graphs: pl.LazyFrame,
    split: Split,
) -> tuple[go.Figure, ...]:
    """Plot how the run learned, what its network attends to, and its graphs and split."""
    return (
        pictures.draw_learning(read_history(runs.find(trained.run))),
        pictures.draw_features(feature_weights.collect()),
        pictures.draw_lags(lag_weights.collect()),
        draw_graph(graphs),
        draw_turnover(measure_turnover(graphs)),
        plot_splits([split]),
    )


def write_report(
    metrics: RunScore, trained: TrainedRun, runs: Runs, tracker: Tracker, *drawn: go.Figure
) -> tuple[str, str]:
    """Write the pages that people read, and give them, every figure and the test days' numbers to the tracker."""
    summary, report = run_pages.build_run_pages(runs.find(trained.run), metrics, drawn)
    tracker.log_text(summary, "summary.md")
    tracker.log_text(report, "report.html")
    tracker.log_metrics(collect_test_metrics(metrics), 0)
    for figure in drawn:
        tracker.log_text(figure.to_json(), f"plots/{title_of(figure)}.json")
    return summary, report
