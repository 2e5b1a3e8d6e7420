"""From the training data to trained networks and the weights of the first."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Train a network per seed, then tabulate the weights of the first one."""
    return Pipeline(
        [
            Node(
                nodes.fit_network,
                ["training_data", "runs", "tracker", "params:network", "params:training"],
                "trained_run",
                name="fit_network",
                tags=["distributed", "holds_inputs"],
            ),
            Node(nodes.find_run, ["runs", "trained_run"], "run_folder", name="find_run"),
            Node(
                nodes.tabulate_weights,
                ["training_data", "run_folder", "params:training.device"],
                ["feature_weights", "lag_weights", "neighbour_weights", "frequency_weights"],
                name="tabulate_weights",
            ),
        ],
        tags="fit",
    )
