"""Test numbers as text."""

import pytest

from atft_kedro.evaluation.daily_statistics import Mean
from atft_kedro.reporting.format import format_difference, format_number, format_with_error
from factories.training_logs import make_mean


def test_an_unknown_number_is_a_dash() -> None:
    assert format_number(None) == "–"
    assert format_difference(None) == "–"
    assert format_with_error(make_mean(None)) == "–"
    assert format_number(0.12345) == "0.1235"


@pytest.mark.parametrize(
    ("difference", "scale", "text"),
    [
        (make_mean(0.02, 0.01), 1.0, "+0.0200 ± 0.0100 (t 2.0)"),
        (make_mean(-0.0002, 0.0001), 1e4, "-2.0000 ± 1.0000 (t -2.0)"),
        (make_mean(0.02).model_copy(update={"se": None}), 1.0, "+0.0200 ± –"),
    ],
)
def test_a_difference_has_its_error_and_t(difference: Mean, scale: float, text: str) -> None:
    assert format_difference(difference, scale) == text
