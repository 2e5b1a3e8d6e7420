"""From the ML dataset to the panel."""

from kedro.pipeline import Node, Pipeline

from . import nodes


def create_pipeline() -> Pipeline:
    """Select stocks, split the days, fit the scaler on the train days, write the panel."""
    return Pipeline(
        [
            Node(
                nodes.select_universe,
                ["mapped_dataset", "guard_verdict", "benchmark_returns", "params:universe"],
                "universe",
                name="select_universe",
            ),
            Node(
                nodes.split_days,
                ["mapped_dataset", "universe", "benchmark_returns", "params:features.entry_lag", "params:split"],
                "split",
                name="split_days",
            ),
            Node(
                nodes.fit_scaler,
                ["mapped_dataset", "universe", "split", "feature_catalogue", "params:scaler"],
                "scaler",
                name="fit_scaler",
            ),
            Node(
                nodes.plan_panel,
                ["mapped_dataset", "universe", "scaler", "params:features.entry_lag", "params:universe"],
                ["panel", "panel_preparation"],
                name="write_panel",
            ),
        ],
        tags=["prepare", "shared"],
    )
