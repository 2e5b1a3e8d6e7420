"""Nodes that forecast, score and report."""

from pathlib import Path

import plotly.graph_objects as go
import polars as pl

from atft_kedro.evaluation import baselines, entries, forecast_table
from atft_kedro.evaluation.baselines import BaselineParams
from atft_kedro.evaluation.compare_baselines import score_run
from atft_kedro.evaluation.goals import GoalParams
from atft_kedro.evaluation.oracle import forecast_with_oracle
from atft_kedro.evaluation.position_score import PositionResult
from atft_kedro.evaluation.run_scores import add_goals, use_run_units
from atft_kedro.evaluation.score import RunScore, ScoringParams
from atft_kedro.export.experiments import write_experiments
from atft_kedro.panel.split import Split
from atft_kedro.reporting import run_pages, score_figures
from atft_kedro.reporting.attention import plot_features, plot_lags
from atft_kedro.reporting.graph_figures import measure_new_neighbours, plot_graph, plot_new_neighbours
from atft_kedro.reporting.html_pages import figure_title, has_content
from atft_kedro.reporting.score_columns import collect_metrics, collect_position_metrics
from atft_kedro.reporting.split_figures import plot_splits
from atft_kedro.reporting.training_figures import plot_learning
from atft_kedro.schema import DATE
from atft_kedro.training.data import TrainingData
from atft_kedro.training.forecasting import load_members
from atft_kedro.training.hardware import choose_device
from atft_kedro.training.refit import require_own_scores
from atft_kedro.training.run_status import read_history, read_training
from atft_kedro.training.tracking import Tracker


def forecast_splits(training_data: TrainingData, run_folder: Path, device: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Forecast train, validation and test days by a run's ensemble and by each member."""
    require_own_scores(run_folder)
    training_data = training_data.to(choose_device(device))
    networks = load_members(run_folder, training_data)
    seeds = read_training(run_folder).all_seeds
    return forecast_table.forecast_all_splits(dict(zip(seeds, networks, strict=True)), training_data)


def forecast_baselines(
    forecasts: pl.LazyFrame,
    mapped_dataset: pl.LazyFrame,
    oracle: pl.LazyFrame,
    training_data: TrainingData,
    run_folder: Path,
    params: BaselineParams,
) -> pl.DataFrame:
    """Forecast the run's keys by every baseline, and by the oracle of a simulated market."""
    own, entry_lag = forecasts.collect(), training_data.panel.metadata.entry_lag
    units = read_training(run_folder).labels.transform
    table = baselines.forecast_baselines(own, mapped_dataset, training_data, units, params)
    return pl.concat([table, forecast_with_oracle(own, oracle.collect(), entry_lag)])


def collect_returns(forecasts: pl.LazyFrame, mapped_dataset: pl.LazyFrame, entry_lag: int) -> pl.DataFrame:
    """Read the realised returns on the days of the forecasts, at the same close and at the next."""
    days = forecasts.select(DATE).collect()[DATE]
    return entries.collect_returns(mapped_dataset, days, entry_lag)


def score_forecasts(  # noqa: PLR0913, PLR0917 — what is compared, and how it is scored
    forecasts: pl.LazyFrame,
    baseline_forecasts: pl.LazyFrame,
    seed_forecasts: pl.LazyFrame,
    realised_returns: pl.LazyFrame,
    position_result: PositionResult,
    run_folder: Path,
    entry_lag: int,
    params: ScoringParams,
    goals: GoalParams,
) -> tuple[RunScore, pl.DataFrame]:
    """Score every split of a run, its baselines and ensemble members, and check the goals.

    The score of the run's positions is added as it is.
    """
    own, returns = forecasts.collect(), realised_returns.collect()
    others = pl.concat([baseline_forecasts, seed_forecasts]).collect()
    score, daily = score_run(run_folder.name, own, others, returns, use_run_units(params, run_folder), entry_lag)
    return add_goals(score, run_folder, goals).model_copy(update={"positions": position_result.score}), daily


def plot_scores(metrics: RunScore, daily_scores: pl.LazyFrame) -> tuple[go.Figure, ...]:
    """Plot all figures of the score."""
    return score_figures.plot_scores(metrics, daily_scores.collect())


def plot_training(
    run_folder: Path,
    feature_weights: pl.LazyFrame,
    lag_weights: pl.LazyFrame,
    graphs: pl.LazyFrame,
    split: Split,
) -> tuple[go.Figure, ...]:
    """Plot the learning curves, the network's weights, the graphs and the split."""
    return (
        plot_learning(read_history(run_folder)),
        plot_features(feature_weights.collect()),
        plot_lags(lag_weights.collect()),
        plot_graph(graphs),
        plot_new_neighbours(measure_new_neighbours(graphs)),
        plot_splits([split]),
    )


def write_report(metrics: RunScore, run_folder: Path, tracker: Tracker, *figures: go.Figure) -> tuple[str, str]:
    """Build and track the summary and the report; list the run among all runs."""
    write_experiments(run_folder)
    summary, report = run_pages.build_run_pages(run_folder, metrics, figures)
    tracker.log_text(summary, "summary.md")
    tracker.log_text(report, "report.html")
    scores = {lag: entry.split["test"] for lag, entry in metrics.entries.items()}
    tracker.log_metrics(collect_metrics("test", scores, metrics.entry_lag), 0)
    tracker.log_metrics(collect_position_metrics("test", metrics.positions), 0)
    for figure in filter(has_content, figures):
        tracker.log_text(figure.to_json(), f"plots/{figure_title(figure)}.json")
    return summary, report
