"""Test how the diagnosis measures noise and rounds numbers."""

import json
import math

import numpy as np
import pytest

from atft_kedro.diagnosis.check_result import TrainingCheck, advise_param, measure_noise


def test_a_straight_line_has_no_noise_and_a_zigzag_has() -> None:
    assert measure_noise(np.arange(6.0)) == 0
    assert measure_noise(np.array([0.0, 1.0])) == 0
    assert measure_noise(np.array([0.0, 1.0] * 4)) == pytest.approx(1.4826 / math.sqrt(1.5))


def test_advice_rounds_small_and_large_values() -> None:
    assert advise_param("training.learning_rate", 0.00033333, 0.001) == (
        "--params training.learning_rate=0.000333 (now 0.001)"
    )
    assert advise_param("training.days_per_block", 1024, 256) == "--params training.days_per_block=1024 (now 256)"


def test_undefined_numbers_are_left_out_of_json() -> None:
    check = TrainingCheck(name="a", severity="ok", message="", numbers={"defined": 1.0, "undefined": math.nan})

    assert json.loads(check.model_dump_json())["numbers"] == {"defined": 1.0}
