"""Universe to folds."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Plan the folds, and look at them."""
    return Pipeline(
        [
            Node(
                nodes.plan_folds,
                ["ml_dataset", "universe", "params:columns", "params:features.entry_lag", "params:folds"],
                "folds",
                name="plan_folds",
            ),
            Node(nodes.draw_folds, "folds", "folds_picture", name="draw_folds"),
        ],
        tags="walk_forward",
    )
