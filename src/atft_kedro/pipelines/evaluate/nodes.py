"""Nodes that forecast, score and report."""

import plotly.graph_objects as go
import polars as pl

from atft_kedro.evaluation import baselines, entries, forecast_table
from atft_kedro.evaluation.baselines import BaselineParams
from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.goals import GoalParams
from atft_kedro.evaluation.oracle import forecast_with_oracle
from atft_kedro.evaluation.run_scores import add_goals, use_run_units
from atft_kedro.evaluation.score import EvaluationParams, RunScore
from atft_kedro.panel.split import Split
from atft_kedro.reporting import run_pages, score_figures
from atft_kedro.reporting.attention import plot_features, plot_lags
from atft_kedro.reporting.graph_figures import measure_turnover, plot_graph, plot_turnover
from atft_kedro.reporting.html_pages import figure_title
from atft_kedro.reporting.score_columns import collect_metrics
from atft_kedro.reporting.split_figures import plot_splits
from atft_kedro.reporting.training_figures import plot_learning
from atft_kedro.schema import DATE
from atft_kedro.training.data import TrainingData
from atft_kedro.training.forecasting import load_members
from atft_kedro.training.hardware import choose_device
from atft_kedro.training.run_status import read_history, read_training
from atft_kedro.training.runs import Runs, TrainedRun
from atft_kedro.training.tracking import Tracker


def forecast_splits(
    training_data: TrainingData, runs: Runs, trained: TrainedRun, device: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forecast train, validation and test days by a run's ensemble and by each member."""
    training_data = training_data.to(choose_device(device))
    networks = load_members(runs.find(trained.run), training_data)
    seeds = [member.seed for member in trained.members]
    return forecast_table.forecast_splits(dict(zip(seeds, networks, strict=True)), training_data)


def forecast_baselines(  # noqa: PLR0913, PLR0917 — a node
    forecasts: pl.LazyFrame,
    mapped_dataset: pl.LazyFrame,
    oracle: pl.LazyFrame,
    training_data: TrainingData,
    trained: TrainedRun,
    runs: Runs,
    entry_lag: int,
    params: BaselineParams,
) -> pl.DataFrame:
    """Forecast the run's keys by every baseline, and by the oracle of a simulated market."""
    own = forecasts.collect()
    units = read_training(runs.find(trained.run)).labels.transform
    table = baselines.forecast_baselines(own, mapped_dataset, training_data, units, params)
    return pl.concat([table, forecast_with_oracle(own, oracle.collect(), entry_lag)])


def collect_returns(forecasts: pl.LazyFrame, mapped_dataset: pl.LazyFrame, entry_lag: int) -> pl.DataFrame:
    """Read the realised returns on the days of the forecasts, at the same close and at the next."""
    days = forecasts.select(DATE).collect()[DATE]
    return entries.collect_returns(mapped_dataset, days, entry_lag)


def score_forecasts(  # noqa: PLR0913, PLR0917 — a node
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
    """Score every split of a run, its baselines and ensemble members, and check the goals."""
    folder, others = runs.find(trained.run), pl.concat([baseline_forecasts, seed_forecasts]).collect()
    own, returns = forecasts.collect(), realised_returns.collect()
    score, daily = score_run(folder.name, own, others, returns, use_run_units(params, folder), entry_lag)
    return add_goals(score, folder, goals), daily


def plot_scores(metrics: RunScore, daily_scores: pl.LazyFrame) -> tuple[go.Figure, ...]:
    """Plot all figures of the score."""
    return score_figures.plot_scores(metrics, daily_scores.collect())


def plot_training(
    trained: TrainedRun,
    runs: Runs,
    feature_weights: pl.LazyFrame,
    lag_weights: pl.LazyFrame,
    graphs: pl.LazyFrame,
    split: Split,
) -> tuple[go.Figure, ...]:
    """Plot the learning curves, the network's weights, the graphs and the split."""
    return (
        plot_learning(read_history(runs.find(trained.run))),
        plot_features(feature_weights.collect()),
        plot_lags(lag_weights.collect()),
        plot_graph(graphs),
        plot_turnover(measure_turnover(graphs)),
        plot_splits([split]),
    )


def write_report(
    metrics: RunScore, trained: TrainedRun, runs: Runs, tracker: Tracker, *figures: go.Figure
) -> tuple[str, str]:
    """Build the summary and the report, and track them with the figures and the test metrics."""
    summary, report = run_pages.build_run_pages(runs.find(trained.run), metrics, figures)
    tracker.log_text(summary, "summary.md")
    tracker.log_text(report, "report.html")
    scores = {lag: entry.split["test"] for lag, entry in metrics.entries.items()}
    tracker.log_metrics(collect_metrics("test", scores, metrics.entry_lag), 0)
    for figure in figures:
        tracker.log_text(figure.to_json(), f"plots/{figure_title(figure)}.json")
    return summary, report
