"""From the forecasts of a run to positions, their returns after costs, and figures."""

from kedro.pipeline import Node, Pipeline

from atft_kedro.positions.availability import simulate_if_possible
from atft_kedro.reporting.position_figures import POSITION_PLOTS, plot_positions


def create_pipeline() -> Pipeline:
    """Hold the positions that the forecasts of the test days lead to, and plot the result."""
    return Pipeline(
        [
            Node(
                simulate_if_possible,
                ["forecasts", "mapped_dataset", "delistings", "params:positions"],
                ["position_days", "position_weights", "position_calibrations", "position_result"],
                name="simulate_positions",
            ),
            Node(plot_positions, ["position_result", "position_days"], POSITION_PLOTS, name="plot_positions"),
        ],
        tags="positions",
    )
