"""From a trained network to forecasts, positions, their scores and pages."""

from kedro.pipeline import Node, Pipeline

from atft_kedro.positions.simulate import simulate_if_possible
from atft_kedro.reporting.position_figures import POSITION_PLOTS, plot_positions
from atft_kedro.reporting.run_pages import OPTIONAL_FIGURES, TRAINING_FIGURES
from atft_kedro.reporting.score_figures import SCORE_FIGURES

from . import nodes

TRAINING_PLOTS = [f"{name}_plot" for name in (*TRAINING_FIGURES, *OPTIONAL_FIGURES)]
LEARNING_PLOT, *NETWORK_PLOTS = TRAINING_PLOTS


def create_pipeline() -> Pipeline:
    """Forecast with the network and the baselines, simulate positions, score, plot and report."""
    return Pipeline(
        [
            Node(
                nodes.forecast_splits,
                ["training_data", "run_folder", "params:training.device"],
                ["forecasts", "seed_forecasts"],
                name="forecast_splits",
            ),
            Node(
                nodes.forecast_baselines,
                ["forecasts", "mapped_dataset", "oracle", "training_data", "run_folder", "params:baselines"],
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
                simulate_if_possible,
                ["forecasts", "mapped_dataset", "delistings", "params:positions"],
                ["position_days", "position_weights", "position_calibrations", "position_result"],
                name="simulate_positions",
            ),
            Node(plot_positions, ["position_result", "position_days"], POSITION_PLOTS, name="plot_positions"),
            Node(
                nodes.score_forecasts,
                [
                    *("forecasts", "baseline_forecasts", "seed_forecasts", "realised_returns", "position_result"),
                    *("run_folder", "params:features.entry_lag", "params:evaluation", "params:goals"),
                ],
                ["metrics", "daily_scores"],
                name="score_forecasts",
            ),
            Node(nodes.plot_scores, ["metrics", "daily_scores"], list(SCORE_FIGURES), name="plot_scores"),
            Node(
                nodes.plot_training,
                ["run_folder", "feature_weights", "lag_weights", "graphs", "split"],
                TRAINING_PLOTS,
                name="plot_training",
            ),
            Node(
                nodes.write_report,
                ["metrics", "run_folder", "tracker", LEARNING_PLOT, *SCORE_FIGURES, *POSITION_PLOTS, *NETWORK_PLOTS],
                ["summary", "report"],
                name="write_report",
            ),
        ],
        tags="evaluate",
    )
