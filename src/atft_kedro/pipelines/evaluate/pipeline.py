"""Trained network to forecasts, their score and the pages about it."""

from kedro.pipeline import Node, Pipeline

from . import nodes

SCORED = ["ic_plot", "baselines_plot", "decile_plot", "equity_plot"]
SCORED += ["calibration_plot", "coverage_plot", "decay_plot"]
TRAINED = ["feature_plot", "lag_plot", "graph_plot", "turnover_plot", "split_plot"]


def create_pipeline() -> Pipeline:
    """Forecast, score that beside baselines, draw it and tell it."""
    return Pipeline(
        [
            Node(
                nodes.forecast_splits,
                ["training_data", "runs", "trained_run", "params:training.device"],
                ["forecasts", "seed_forecasts"],
                name="forecast_splits",
            ),
            Node(
                nodes.forecast_baselines,
                [
                    *("forecasts", "mapped_dataset", "oracle", "training_data", "trained_run", "runs"),
                    *("params:features.entry_lag", "params:baselines"),
                ],
                "baseline_forecasts",
                name="forecast_baselines",
            ),
            Node(
                nodes.collect_returns,
                ["forecasts", "mapped_dataset", "params:features.entry_lag"],
                "realised_returns",
                name="collect_returns",
            ),
            Node(
                nodes.score_forecasts,
                [
                    *("forecasts", "baseline_forecasts", "seed_forecasts", "realised_returns", "trained_run", "runs"),
                    *("params:features.entry_lag", "params:evaluation", "params:goals"),
                ],
                ["metrics", "daily_scores"],
                name="score_forecasts",
            ),
            Node(nodes.draw_scores, ["metrics", "daily_scores"], SCORED, name="draw_scores"),
            Node(
                nodes.plot_training,
                ["trained_run", "runs", "feature_weights", "lag_weights", "graphs", "split"],
                ["learning_plot", *TRAINED],
                name="plot_training",
            ),
            Node(
                nodes.write_report,
                [
                    *("metrics", "trained_run", "runs", "tracker"),
                    *("learning_plot", *SCORED, *TRAINED),
                ],
                ["summary", "report"],
                name="write_report",
            ),
        ],
        tags="evaluate",
    )
