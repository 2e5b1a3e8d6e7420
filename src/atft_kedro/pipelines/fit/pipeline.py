"""Panel and graphs to a trained network."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Train."""
    return Pipeline(
        [
            Node(
                nodes.fit_network,
                ["panel", "graphs", "split", "runs", "tracker", "params:network", "params:training"],
                "trained_run",
                name="fit_network",
            )
        ],
        tags="fit",
    )
