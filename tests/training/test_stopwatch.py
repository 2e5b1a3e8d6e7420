"""A stopwatch adds up what is timed, and nothing else."""

import time

import torch

from atft_kedro.training.telemetry import Stopwatch


def test_only_what_runs_is_timed() -> None:
    watch = Stopwatch(torch.device("cpu"))
    for _ in range(2):
        with watch.running():
            time.sleep(0.02)
        time.sleep(0.05)

    first, second = watch.read(), watch.read()

    assert 0.04 <= first < 0.09
    assert second == first
