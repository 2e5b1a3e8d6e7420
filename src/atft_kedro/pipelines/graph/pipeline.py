"""Returns to graphs."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Build a graph for each refresh day, and look at them."""
    return Pipeline(
        [
            Node(
                nodes.build_graphs,
                ["mapped_dataset", "universe", "params:features.entry_lag", "params:graph"],
                ["graphs", "graphs_recipe"],
                name="build_graphs",
            ),
            Node(nodes.draw_graph, "graphs", "graph_picture", name="draw_graph"),
            Node(nodes.draw_turnover, "graphs", "turnover_picture", name="draw_turnover"),
        ],
        tags=["graph", "shared"],
    )
