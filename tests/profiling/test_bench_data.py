"""Test the measurement of reading blocks."""

from atft_kedro.profiling.bench_data import time_once, time_reading
from atft_kedro.profiling.bench_train import make_panel


def test_reading_and_copying_are_timed() -> None:
    panel, graphs = make_panel(features=4, stocks=8, days=40)

    times = time_reading(panel, graphs, lookback=5, days=4, blocks=3)

    assert len(times) == 5
    assert times[0].operation.startswith("gather, 8 stocks x 8 steps x 4 features")
    assert all(entry.seconds > 0 and entry.gb_per_second for entry in times)


def test_an_action_runs_once() -> None:
    calls: list[int] = []

    assert time_once("append", lambda: calls.append(1)).seconds > 0
    assert calls == [1]
