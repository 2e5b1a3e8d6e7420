"""Nodes that forecast and score."""

import plotly.graph_objects as go
import polars as pl

from atft_kedro.evaluation.score import EvaluationParams, RunScore
from atft_kedro.graph.placing import place_graphs
from atft_kedro.operations.pictures import draw_learning
from atft_kedro.operations.scoring import forecast_part, score_run
from atft_kedro.operations.summary import write_summary
from atft_kedro.operations.watch import read_history
from atft_kedro.panel.split import Split
from atft_kedro.panel.store import Panel
from atft_kedro.schema import ColumnParams, adopt_ml_dataset
from atft_kedro.training.members import open_members
from atft_kedro.training.run import Material
from atft_kedro.training.runs import Runs, TrainedRun
from atft_kedro.training.tracking import Tracker


def forecast_parts(panel: Panel, graphs: pl.LazyFrame, split: Split, runs: Runs, trained: TrainedRun) -> pl.DataFrame:
    """Forecast every validation and test day by the mean of a run's networks."""
    material = Material(panel, place_graphs(graphs, panel), split)
    experts = open_members(runs.find(trained.run), material)
    return pl.concat([forecast_part(experts, material, part) for part in ("validation", "test")])


def score_forecasts(  # noqa: PLR0913, PLR0917 — what came, how it is scored, and whom to tell
    forecasts: pl.LazyFrame,
    ml_dataset: pl.LazyFrame,
    trained: TrainedRun,
    runs: Runs,
    tracker: Tracker,
    columns: ColumnParams,
    params: EvaluationParams,
) -> tuple[RunScore, str, go.Figure]:
    """Score both parts by what came, and tell that and how the run learned."""
    score = score_run(trained.run, forecasts.collect(), adopt_ml_dataset(ml_dataset, columns), params)
    summary, learning = write_summary(score), draw_learning(read_history(runs.find(trained.run)))
    tracker.write(summary, "summary.md")
    tracker.write(learning.to_html(), "learning.html")
    return score, summary, learning
