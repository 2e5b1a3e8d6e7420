"""Pipeline that trains networks in each fold of an ML dataset and scores them."""

from kedro.pipeline import Node, Pipeline

from atft_kedro.reporting.position_figures import POSITION_FIGURES, plot_positions

from . import nodes


def create_pipeline() -> Pipeline:
    """Plan the folds, train networks and forecast in each fold, and score the forecasts."""
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
            Node(nodes.group_tables, ["mapped_dataset", "universe", "graphs"], "market_tables", name="group_tables"),
            Node(
                nodes.group_fold_params,
                [
                    *("feature_catalogue", "params:features.entry_lag", "params:scaler"),
                    *("params:network", "params:training", "graph_params"),
                ],
                "fold_recipe",
                name="group_fold_params",
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
                nodes.simulate_positions,
                ["trained_folds", "fold_folders", "mapped_dataset", "delistings", "params:positions"],
                [f"walk_position_{name}" for name in ("days", "weights", "calibrations", "result")],
                name="simulate_positions",
            ),
            Node(
                plot_positions,
                ["walk_position_result", "walk_position_days"],
                [f"walk_{name}_figure" for name in POSITION_FIGURES],
                name="plot_positions",
            ),
            Node(
                nodes.score_folds,
                [
                    *("trained_folds", "fold_folders", "walk_forecasts", "walk_position_result"),
                    *("mapped_dataset", "fold_recipe", "params:evaluation"),
                ],
                ["walk_score", "walk_figure"],
                name="score_folds",
            ),
            Node(nodes.report_walk, ["walk_score", "walk_figure", "tracker"], "walk_summary", name="report_walk"),
            Node(nodes.require_every_fold, "walk_score", "walk_verdict", name="require_every_fold"),
        ],
        tags="walk_forward",
    )
