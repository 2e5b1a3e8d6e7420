"""Newest observations to live forecasts."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Forecast the newest days with an exported model."""
    return Pipeline(
        [
            Node(
                nodes.forecast_newest,
                [
                    *("mapped_dataset", "guard_verdict", "feature_catalogue", "exported_models", "prediction_day"),
                    *("params:features.entry_lag", "params:guard", "params:predict"),
                    "params:training.device",
                ],
                ["predictions", "predictions_csv", "predictions_summary"],
                name="forecast_newest",
            ),
        ],
        tags=["predict", "shared"],
    )
