"""From panel and graphs to a study, its winner and its report."""

from kedro.pipeline import Node, Pipeline

from . import nodes

FIGURES = [
    "search_history_figure",
    "search_importance_figure",
    "search_parallel_figure",
    "search_slice_figure",
    "search_curves_figure",
]


def create_pipeline() -> Pipeline:
    """Run the trials of a study, plot it, confirm its winner and write the report."""
    return Pipeline(
        [
            Node(
                nodes.search,
                [
                    *("training_data", "trial_folders", "trial_trackers"),
                    *("params:network", "params:training", "params:hpo"),
                ],
                "study",
                name="search",
                tags="holds_inputs",
            ),
            Node(nodes.plot_study, ["study", "trial_folders", "params:hpo"], FIGURES, name="plot_study"),
            Node(
                nodes.make_trainer,
                ["training_data", "trial_folders", "trial_trackers"],
                "confirmation_trainer",
                name="make_trainer",
            ),
            Node(
                nodes.confirm_winner,
                [
                    *("study", "confirmation_trainer", "params:network"),
                    *("params:training", "params:hpo", "params:evaluation"),
                ],
                "confirmation",
                name="confirm_winner",
                tags="holds_inputs",
            ),
            Node(
                nodes.write_search,
                ["study", "confirmation", "tracker", "params:network", "params:training", *FIGURES],
                ["search_summary", "search_report"],
                name="write_search",
            ),
        ],
        tags="hpo",
    )
