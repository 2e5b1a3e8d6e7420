"""From an exported model to the gate's verdict, or from a refit to the champion."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Compare the run's model with the champion's; make a refit the champion.

    A pipeline has one of the two nodes.
    """
    return Pipeline(
        [
            Node(
                nodes.apply_gate,
                [
                    *(
                        "model_role",
                        "exported_models",
                        "mapped_dataset",
                        "feature_catalogue",
                        "guard_verdict",
                        "prediction_day",
                    ),
                    *("params:features.entry_lag", "params:guard", "params:champion", "params:evaluation"),
                    *("params:predict", "params:training.device"),
                ],
                "gate_verdict",
                name="apply_gate",
            ),
            Node(nodes.promote_refit, ["exported_model", "runs", "mapped_dataset"], "model_role", name="promote_refit"),
        ],
        tags="champion_gate",
    )
