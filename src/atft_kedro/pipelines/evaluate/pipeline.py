"""Trained network to forecasts and their score."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Forecast the validation and the test days, and score that."""
    return Pipeline(
        [
            Node(
                nodes.forecast_parts,
                ["panel", "graphs", "split", "runs", "trained_run"],
                "forecasts",
                name="forecast_parts",
            ),
            Node(
                nodes.score_forecasts,
                ["forecasts", "ml_dataset", "trained_run", "runs", "tracker", "params:columns", "params:evaluation"],
                ["metrics", "summary", "learning_picture"],
                name="score_forecasts",
            ),
        ],
        tags="evaluate",
    )
