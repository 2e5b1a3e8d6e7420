"""Pipeline that exports the model of a scored run and registers it in MLflow."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Export the model with its inputs and quantile corrections, and register it.

    ``forecasts`` and ``metrics`` are those of the run in ``run_folder``.
    """
    return Pipeline(
        [
            Node(
                nodes.describe_inputs,
                [
                    *("mapped_dataset", "training_data", "panel_preparation", "run_folder"),
                    *(
                        "params:features",
                        "params:cleaning",
                        "params:predict.max_unknown_features",
                        "params:guard",
                    ),
                ],
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
                nodes.propose_candidate,
                ["exported_model", "runs", "params:champion.is_candidate"],
                "model_role",
                name="propose_candidate",
            ),
            Node(  # the catalog entry registers the model when it is saved
                nodes.prepare_registration,
                ["exported_model", "run_folder", "mapped_dataset", "model_role"],
                "registered_model",
                name="prepare_registration",
            ),
        ],
        tags="export",
    )
