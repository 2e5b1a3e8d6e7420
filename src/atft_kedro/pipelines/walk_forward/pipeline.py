"""From ML dataset, universe and graphs to the scores of networks trained in each fold."""

from kedro.pipeline import Node, Pipeline

from . import nodes

POOLED_INPUTS = ["trained_folds", "fold_folders", "mapped_dataset"]


def create_pipeline() -> Pipeline:
    """Plan the folds, train and forecast in each, and score them."""
    return Pipeline(
        [
            Node(
                nodes.plan_folds,
                ["mapped_dataset", "universe", "params:features.entry_lag", "params:folds"],
                "folds",
                name="plan_folds",
                tags="shared",
            ),
            Node(nodes.plot_folds, "folds", "folds_figure", name="plot_folds", tags="shared"),
            Node(
                nodes.train_folds,
                [
                    *("mapped_dataset", "universe", "graphs", "graphs_recipe", "folds", "feature_catalogue"),
                    *("fold_folders", "params:features.entry_lag", "params:scaler"),
                    *("params:network", "params:training", "params:walk_forward"),
                ],
                "trained_folds",
                name="train_folds",
                tags="holds_inputs",
            ),
            Node(nodes.pool_forecasts, POOLED_INPUTS, "walk_forecasts", name="pool_forecasts"),
            Node(
                nodes.score_folds,
                [
                    *("trained_folds", "fold_folders", "walk_forecasts", "mapped_dataset", "tracker"),
                    *("params:features.entry_lag", "params:training", "params:evaluation"),
                ],
                ["walk_score", "walk_summary", "walk_figure"],
                name="score_folds",
            ),
            Node(nodes.require_every_fold, "walk_score", "walk_verdict", name="require_every_fold"),
        ],
        tags="walk_forward",
    )
