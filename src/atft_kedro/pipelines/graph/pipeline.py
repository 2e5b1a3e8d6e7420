"""From the ML dataset to daily graphs, and to the training data."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Build a graph for each refresh day, and combine the graphs with the panel."""
    return Pipeline(
        [
            Node(
                nodes.build_graphs,
                ["mapped_dataset", "universe", "params:features.entry_lag", "params:graph"],
                ["graphs", "graph_params"],
                name="build_graphs",
            ),
            Node(
                nodes.make_training_data,
                ["panel", "graphs", "graph_params", "split"],
                "training_data",
                name="make_training_data",
            ),
        ],
        tags=["graph", "shared"],
    )
