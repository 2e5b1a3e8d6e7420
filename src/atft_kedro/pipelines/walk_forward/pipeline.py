"""From ML dataset, universe and graphs to the scores of networks trained in each fold."""

from kedro.pipeline import Node, Pipeline

from . import nodes


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
                nodes.collect_tables, ["mapped_dataset", "universe", "graphs"], "market_tables", name="collect_tables"
            ),
            Node(
                nodes.collect_recipe,
                [
                    *("feature_catalogue", "params:features.entry_lag", "params:scaler"),
                    *("params:network", "params:training", "graph_params"),
                ],
                "fold_recipe",
                name="collect_recipe",
            ),
            Node(
                nodes.train_folds,
                ["folds", "market_tables", "fold_recipe", "fold_folders", "params:walk_forward"],
                "trained_folds",
                name="train_folds",
                tags="holds_inputs",
            ),
            Node(
                nodes.pool_forecasts,
                ["trained_folds", "fold_folders", "mapped_dataset"],
                "walk_forecasts",
                name="pool_forecasts",
            ),
            Node(
                nodes.score_folds,
                [
                    *("trained_folds", "fold_folders", "walk_forecasts", "mapped_dataset", "fold_recipe"),
                    "params:evaluation",
                ],
                ["walk_score", "walk_figure"],
                name="score_folds",
            ),
            Node(nodes.write_walk, ["walk_score", "walk_figure", "tracker"], "walk_summary", name="write_walk"),
            Node(nodes.require_every_fold, "walk_score", "walk_verdict", name="require_every_fold"),
        ],
        tags="walk_forward",
    )
