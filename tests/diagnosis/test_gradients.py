"""Test the checks of the gradients."""

import json
from pathlib import Path
from typing import Any

import pytest

from atft_kedro.training.failure_checks import NAN_BATCHES
from factories.training_logs import (
    RISING,
    assert_only_problem,
    diagnose_checked,
    diagnose_run,
    find_check,
    make_log,
    write_run,
)


@pytest.mark.parametrize(
    ("name", "severity", "message", "steps"),
    [
        ("gradient", "error", "0.3 at first and 20.1", {"gradient": lambda step: 0.1 * step}),
        ("gradient", "warn", "1 at first and 0.001", {"gradient": lambda step: 1e-3 ** (step > 9)}),
        ("clipping", "warn", "clipped to 1 in 66.7%", {"gradient": lambda step: 2 if step % 3 else 0.3}),
        ("modules", "error", "gat has the smallest share", {"gradient/gat": 0.0, "gradient/heads": 0.3}),
        ("modules", "warn", "gat has the smallest share", {"gradient/gat": 1e-7, "gradient/heads": 0.3}),
    ],
)
def test_a_gradient_problem_is_found_alone(
    tmp_path: Path, name: str, severity: str, message: str, steps: dict[str, Any]
) -> None:
    assert_only_problem(tmp_path, name, severity, message, {"steps": steps})


def test_a_few_steps_are_not_enough_for_shares(tmp_path: Path) -> None:
    lines = make_log(0.05, steps={"gradient": lambda step: 2.0 * step})[20:]

    names = {check.name for check in diagnose_run(tmp_path, lines).checks}
    assert "gradient" in names
    assert not {"clipping", "loss spikes"} & names


def test_disabled_and_frozen_modules_need_no_gradient(tmp_path: Path) -> None:
    untrained = ("gat", "fan", "trend_projection", "tokens", "variable_selection")
    steps = {f"gradient/{name}": 0.0 for name in untrained} | {"gradient/heads": 0.3}
    phase = {"name": "one", "epochs": 6, "learning_rate": 1e-3, "freeze": ["variable_selection"]}

    diagnosis = diagnose_run(tmp_path, make_log(*RISING, steps=steps), phases=[phase])

    assert find_check(diagnosis, "modules").severity == "ok"


@pytest.mark.parametrize(("count", "severity"), [(1, "warn"), (2, "warn"), (3, "error")])
def test_rare_skipped_steps_are_a_warning_and_more_an_error(tmp_path: Path, count: int, severity: str) -> None:
    folder = write_run(tmp_path, make_log(*RISING))
    step = {"seed": 7, "step": 9, "phase": "one", "not_finite": ["gradient/gat", "loss"], "days": ["2016-01-04"]}
    step |= {"codes_with_infinite_features": [], "infinite_features": {}}
    (folder / NAN_BATCHES).write_text(json.dumps([step] * count))

    found = find_check(diagnose_checked(folder), "skipped steps")

    assert found.severity == severity
    assert f"{count} of 240 steps were skipped (nan_budget 10), the first at step 9 of phase one" in found.message
    assert "not finite: loss, gradient/gat" in found.message
    assert "kedro run --env safe names the first tensor that is not finite" in found.advice
