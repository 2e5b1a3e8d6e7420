"""Test the figures of calibration and coverage."""

import pytest

from atft_kedro.reporting.calibration_figures import plot_calibration, plot_coverage
from factories.training_logs import make_mean, score_horizon


def test_the_diagonal_spans_all_forecasts_and_unknown_deciles_are_omitted() -> None:
    pairs = ((-0.2, -0.1), (None, None), (0.3, 0.2))
    score = score_horizon(make_mean(0.1)).model_copy(update={"calibration": pairs})

    line, diagonal = plot_calibration({1: score}).data

    assert list(zip(line.x, line.y, strict=True)) == [(-0.2, -0.1), (0.3, 0.2)]
    assert list(diagonal.x) == list(diagonal.y) == [-0.2, 0.3]


def test_coverage_is_plotted_as_the_difference_from_the_level() -> None:
    coverage = {"q2.5": make_mean(0.075, 0.01), "q90": make_mean(None)}
    score = score_horizon(make_mean(0.1)).model_copy(update={"coverage": coverage})

    (line,) = plot_coverage({5: score}).data

    assert list(line.x) == ["2.5%", "90%"]
    assert line.y[0] == pytest.approx(0.05)
    assert line.y[1] is None
    assert line.error_y.array[0] == pytest.approx(0.02)
