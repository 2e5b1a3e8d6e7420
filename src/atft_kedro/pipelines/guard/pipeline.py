"""From the ML dataset to the guard's verdict."""

from kedro.pipeline import Node, Pipeline

from atft_kedro.guard.inspection import require_no_error

from . import nodes


def create_pipeline() -> Pipeline:
    """Describe the features, inspect the dataset and refuse it if it breaks a rule."""
    return Pipeline(
        [
            Node(
                nodes.describe_features,
                ["mapped_dataset", "params:features"],
                "feature_catalogue",
                name="describe_features",
            ),
            Node(
                nodes.inspect_dataset,
                ["ml_dataset", "extra_tables", "current_day", "params:columns", "params:features", "params:guard"],
                ["guard_report", "guard_page"],
                name="inspect_dataset",
                tags="gate",
            ),
            Node(require_no_error, "guard_report", "guard_verdict", name="require_no_error", tags="gate"),
        ],
        tags=["guard", "shared"],
    )
