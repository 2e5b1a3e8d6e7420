"""Training data to a trained network and what it attends to."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Train a network, then tabulate its weights by feature, lag, neighbour and frequency."""
    return Pipeline(
        [
            Node(
                nodes.fit_network,
                ["training_data", "runs", "tracker", "params:network", "params:training"],
                "trained_run",
                name="fit_network",
                tags=["distributed", "holds_inputs"],
            ),
            Node(
                nodes.explain_network,
                ["training_data", "runs", "trained_run", "params:training.device"],
                ["feature_weights", "lag_weights", "neighbour_weights", "frequency_weights"],
                name="explain_network",
            ),
        ],
        tags="fit",
    )
