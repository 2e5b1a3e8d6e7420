"""From a scored run to its exported and registered model."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Correct the quantiles, export the model and register it in MLflow."""
    return Pipeline(
        [
            Node(
                nodes.describe_inputs,
                ["mapped_dataset", "training_data", "panel_preparation", "run_folder"],
                "model_inputs",
                name="describe_inputs",
            ),
            Node(nodes.fit_corrections, ["forecasts", "run_folder"], "quantile_corrections", name="fit_corrections"),
            Node(
                nodes.export_model,
                ["training_data", "run_folder", "model_inputs", "quantile_corrections", "metrics"],
                "exported_model",
                name="export_model",
            ),
            Node(
                nodes.prepare_registration,
                ["exported_model", "run_folder", "mapped_dataset"],
                "registered_model",
                name="prepare_registration",
            ),
        ],
        tags="export",
    )
