"""From the gate's verdict to a network that has learned from all days."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Train the run that passed the gate again on all days.

    Its quantile corrections and scores are those of that run.
    """
    return Pipeline(
        [
            Node(
                nodes.refit_network,
                ["exported_models", "runs", "training_data", "tracker", "params:network", "params:training"],
                "trained_run",
                name="refit_network",
                tags=["distributed", "holds_inputs"],
            ),
            Node(
                nodes.adopt_scores,
                "run_folder",
                ["quantile_corrections", "metrics", "daily_scores"],
                name="adopt_scores",
            ),
        ],
        tags="refit",
    )
