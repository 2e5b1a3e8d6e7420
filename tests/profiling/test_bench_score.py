"""Test the measurement of scoring on a small market."""

from atft_kedro.profiling.bench_score import time_scoring


def test_all_forecasts_are_scored_and_timed() -> None:
    measured = time_scoring(stocks=20, days=30)

    assert measured.forecasts == 20 * 30 * 4
    assert 0 < measured.seconds < 60
    assert measured.peak_gb > 0
