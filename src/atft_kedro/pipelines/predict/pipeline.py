"""From the newest observations to live forecasts and positions."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Forecast the newest days with an exported model, and plan the positions."""
    return Pipeline(
        [
            Node(
                nodes.check_data_age,
                ["mapped_dataset", "guard_verdict", "prediction_day", "params:guard", "params:predict"],
                "data_age",
                name="check_data_age",
            ),
            Node(
                nodes.forecast_newest_days,
                [
                    *("mapped_dataset", "data_age", "feature_catalogue", "exported_models"),
                    *("params:features.entry_lag", "params:predict", "params:training.device"),
                ],
                ["journal", "predictions", "predictions_csv", "predictions_summary"],
                name="forecast_newest_days",
            ),
            Node(
                nodes.plan_positions,
                [
                    *("predictions", "predictions_summary", "mapped_dataset", "exported_models"),
                    *("previous_positions", "delistings", "params:positions"),
                ],
                ["live_positions", "live_positions_csv", "live_positions_summary"],
                name="plan_positions",
            ),
        ],
        tags=["predict", "shared"],
    )
