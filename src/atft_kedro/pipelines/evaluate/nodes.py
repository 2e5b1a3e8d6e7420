"""Nodes that forecast and score."""

import polars as pl

from atft_kedro.evaluation.score import EvaluationParams, RunScore
from atft_kedro.graph.placing import place_graphs
from atft_kedro.operations.scoring import forecast_part, score_run
from atft_kedro.operations.summary import write_summary
from atft_kedro.panel.split import Split
from atft_kedro.panel.store import Panel
from atft_kedro.schema import ColumnParams, adopt_ml_dataset
from atft_kedro.training.members import open_members
from atft_kedro.training.run import Material
from atft_kedro.training.runs import Runs, TrainedRun


def forecast_parts(panel: Panel, graphs: pl.LazyFrame, split: Split, runs: Runs, trained: TrainedRun) -> pl.DataFrame:
    """Forecast every validation and test day by the mean of a run's networks."""
    material = Material(panel, place_graphs(graphs, panel), split)
    experts = open_members(runs.find(trained.run), material)
    return pl.concat([forecast_part(experts, material, part) for part in ("validation", "test")])


def score_forecasts(
    forecasts: pl.LazyFrame,
    ml_dataset: pl.LazyFrame,
    trained: TrainedRun,
    columns: ColumnParams,
    params: EvaluationParams,
) -> tuple[RunScore, str]:
    """Score both parts by what came."""
    score = score_run(trained.run, forecasts.collect(), adopt_ml_dataset(ml_dataset, columns), params)
    return score, write_summary(score)
