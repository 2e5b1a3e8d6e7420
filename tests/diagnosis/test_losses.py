"""Test the checks of the train loss and the learning rate."""

import math
from pathlib import Path
from typing import Any

import pytest

from factories.training_logs import (
    RISING,
    STEPS,
    assert_only_problem,
    diagnose_run,
    find_check,
    list_root_problems,
    make_log,
)


def spike(step: int) -> float:
    """Return a loss with one spike per epoch."""
    return 1 + 0.01 * math.sin(step) + (step % STEPS == 20)


@pytest.mark.parametrize(
    ("name", "severity", "message", "values"),
    [
        (
            "loss spikes",
            "warn",
            "2.5% of the steps have a spike; the highest is in step ",
            {"steps": {"loss": spike}},
        ),
        ("divergence", "error", "lowest 1 in epoch 2", {"train_loss": lambda epoch: 1 + abs(epoch - 2)}),
        ("divergence", "warn", "lowest 0.7 in epoch 4", {"train_loss": lambda epoch: 0.7 + 0.1 * abs(epoch - 4)}),
        ("divergence", "error", "first step had 1", {"train_loss": 2.1}),
        ("learning rate", "warn", "a weight by at most 0.0024", {"steps": {"learning_rate": 1e-5}}),
    ],
)
def test_a_loss_problem_is_found_alone(
    tmp_path: Path, name: str, severity: str, message: str, values: dict[str, Any]
) -> None:
    assert_only_problem(tmp_path, name, severity, message, values)


def test_a_rise_of_the_loss_within_its_noise_is_no_problem(tmp_path: Path) -> None:
    steps = {"loss": lambda step: 1 + 0.2 * math.sin(7 * step)}
    lines = make_log(*RISING, steps=steps, train_loss=lambda epoch: 1 + 0.005 * epoch)

    assert list_root_problems(diagnose_run(tmp_path, lines)) == set()


def test_without_a_spike_none_is_named(tmp_path: Path) -> None:
    steps = {"loss": lambda step: 1 + 0.01 * math.sin(step) + 0.05 * (step == 77)}  # 5 % is less than a spike

    found = find_check(diagnose_run(tmp_path, make_log(*RISING, steps=steps)), "loss spikes")

    assert found.severity == "ok"
    assert found.message.startswith("no step has a spike; the largest deviation is in step 77, ")


def test_a_phase_that_ends_far_above_its_first_loss_diverges_even_if_another_lost_more(tmp_path: Path) -> None:
    losses = (1.0, 0.5, 0.9, 2.5)  # the first phase loses 80 % of its fall; the second rises in its only epoch
    lines = make_log(*RISING[:4], train_loss=lambda epoch: losses[epoch - 1])
    lines = [line | {"phase": "two"} if line.get("epochs") == 4 else line for line in lines]
    phases = [{"name": name, "epochs": epochs, "learning_rate": 1e-3} for name, epochs in (("one", 3), ("two", 1))]

    found = find_check(diagnose_run(tmp_path, lines, phases=phases), "divergence")

    assert found.severity == "error"
    assert found.message.startswith("phase two: train loss 2.5 in epoch 1; the phase's first step had 1")
