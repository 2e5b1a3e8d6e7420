"""Each check finds what a log was made to tell, says its numbers, and finds nothing in a healthy one."""

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from atft_kedro.diagnosis.diagnosis import diagnose
from atft_kedro.training.failure_checks import NAN_BATCHES
from atft_kedro.training.runs import HEARTBEAT
from factories.training_logs import RISING, STEPS, diagnose_followed, diagnose_run, find, list_causes, tell, write_run


def test_a_healthy_log_is_in_order(tmp_path: Path) -> None:
    diagnosis = diagnose_run(tmp_path, tell(*RISING))

    assert diagnosis.headline == "in order"
    assert list_causes(diagnosis) == set()


def test_what_is_a_little_off_is_no_finding(tmp_path: Path) -> None:
    steps = {
        "gradient": lambda step: 2.0 if step % 10 == 0 else 0.3 if step > 30 else 0.9,
        "loss": lambda step: 1 + 0.003 * math.sin(step) + 0.06 * (step % STEPS == 20) + 0.5 * (step == 77),
        "gradient/gat": 2e-4,
    }
    lines = tell(
        *(0.1, 0.2, 0.3, 0.4, 0.41, 0.42),
        steps=steps,
        train_loss=lambda epoch: 1.2 - 0.01 * epoch + 0.015 * (epoch == 6),
        reading_seconds=1.0,
        peak_memory_gb=lambda epoch: 1 + 0.02 * epoch,
        forecasts_per_second=lambda epoch: 1000 - 30 * epoch,
        gpu_utilisation=70.0,
        gpu_temperature=80.0,
        peak_gpu_memory_gb=70.0,
        gpu_memory_total_gb=80.0,
    )
    phase = {"name": "one", "epochs": 6, "learning_rate": 1e-3, "modules": ["fan", "gat"]}

    diagnosis = diagnose_run(tmp_path, [*lines, {"seed": 7, "swa": {"rank_ic": 0.423}}], phases=[phase])

    assert diagnosis.headline == "in order"
    assert find(diagnosis, "loss spikes").numbers["most"] > 8
    assert find(diagnosis, "clipping").numbers["share"] == pytest.approx(0.1)
    assert find(diagnosis, "memory").measured == "1.12 GB at most, 70.0 of the GPU's 80.0 GB"
    assert find(diagnosis, "GPU").measured == "busy 70 % of the time at the end of the median epoch, at most 80 °C"


def sway(step: int) -> float:
    """Make a loss that stands out once an epoch."""
    return 1 + 0.01 * math.sin(step) + (step % STEPS == 20)


@pytest.mark.parametrize(
    ("about", "state", "said", "told"),
    [
        ("gradient", "trouble", "0.3 at first and 20.1", {"steps": {"gradient": lambda step: 0.1 * step}}),
        ("gradient", "watch", "1 at first and 0.001", {"steps": {"gradient": lambda step: 1e-3 ** (step > 9)}}),
        ("clipping", "watch", "cut to 1 in 66.7%", {"steps": {"gradient": lambda step: 2 if step % 3 else 0.3}}),
        ("modules", "trouble", "gat gets the least", {"steps": {"gradient/gat": 0.0, "gradient/heads": 0.3}}),
        ("modules", "watch", "gat gets the least", {"steps": {"gradient/gat": 1e-7, "gradient/heads": 0.3}}),
        ("loss spikes", "watch", "2.5% of the steps stand out", {"steps": {"loss": sway}}),
        ("divergence", "trouble", "least 1 in epoch 2", {"train_loss": lambda epoch: 1 + abs(epoch - 2)}),
        ("divergence", "watch", "least 0.7 in epoch 4", {"train_loss": lambda epoch: 0.7 + 0.1 * abs(epoch - 4)}),
        ("divergence", "trouble", "first step had 1", {"train_loss": 2.1}),
        ("learning rate", "watch", "weight by 0.0024", {"steps": {"learning_rate": 1e-5}}),
        ("memory", "watch", "2.00 times what it was", {"peak_memory_gb": lambda epoch: 1.0 + (epoch > 5)}),
        ("memory", "watch", "2.00 times what it was", {"memory_gb": lambda epoch: 1.0 + (epoch > 5)}),
        ("memory", "watch", "learned in 2 pieces", {"pieces": 2}),
        ("memory", "watch", "the GPU's ran short 3 times", {"gpu_memory_retries": 3}),
        ("reading", "watch", "30.0% of the time", {"reading_seconds": 1.5}),
        ("reading", "trouble", "60.0% of the time", {"reading_seconds": 3.0}),
        ("GPU", "watch", "busy 30 %", {"gpu_utilisation": 30.0}),
        ("GPU", "watch", "busy 5 %", {"gpu_utilisation": 5.0}),
    ],
)
def test_what_steps_and_epochs_were_made_to_tell_is_found_alone(
    tmp_path: Path, about: str, state: str, said: str, told: dict[str, Any]
) -> None:
    phase = {"name": "one", "epochs": 6, "learning_rate": 1e-3, "modules": ["fan", "gat"]}
    diagnosis = diagnose_run(tmp_path, tell(*RISING, **told), phases=[phase])

    found = find(diagnosis, about)
    assert found.state == state
    assert said in found.measured
    assert found.advice
    assert list_causes(diagnosis) == {about}


def test_a_rise_of_the_loss_that_may_be_luck_is_none(tmp_path: Path) -> None:
    steps = {"loss": lambda step: 1 + 0.2 * math.sin(7 * step)}
    lines = tell(*RISING, steps=steps, train_loss=lambda epoch: 1 + 0.005 * epoch)

    assert list_causes(diagnose_run(tmp_path, lines)) == set()


def test_a_few_steps_have_no_rule(tmp_path: Path) -> None:
    lines = tell(0.05, steps={"gradient": lambda step: 2.0 * step})[20:]

    about = {each.about for each in diagnose_run(tmp_path, lines).findings}
    assert "gradient" in about
    assert not {"clipping", "loss spikes"} & about


def test_modules_that_are_off_or_frozen_need_no_gradient(tmp_path: Path) -> None:
    steps = {f"gradient/{name}": 0.0 for name in ("gat", "fan", "trend_projection", "tokens", "variable_selection")} | {
        "gradient/heads": 0.3
    }
    phase = {"name": "one", "epochs": 6, "learning_rate": 1e-3, "freeze": ["variable_selection"]}

    assert find(diagnose_run(tmp_path, tell(*RISING, steps=steps), phases=[phase]), "modules").state == "ok"


@pytest.mark.parametrize(("count", "state"), [(1, "watch"), (2, "watch"), (3, "trouble")])
def test_a_rare_step_that_is_not_finite_is_watched_and_more_are_trouble(tmp_path: Path, count: int, state: str) -> None:
    folder = write_run(tmp_path, tell(*RISING))
    told = {"seed": 7, "step": 9, "phase": "one", "not_finite": ["gradient/gat", "loss"], "days": ["2016-01-04"]}
    told |= {"codes_with_infinite_features": [], "infinite_features": {}}
    (folder / NAN_BATCHES).write_text(json.dumps([told] * count))

    found = find(diagnose_followed(folder), "finite")

    assert found.state == state
    assert f"{count} of 240 steps were skipped (nan_budget 10), the first at step 9 of phase one" in found.measured
    assert "not finite: loss, gradient/gat" in found.measured
    assert "kedro run --env safe names the first tensor that is not finite" in found.advice


def test_a_pace_that_falls_by_other_work_is_told_from_its_own(tmp_path: Path) -> None:
    slow: dict[str, Any] = {"forecasts_per_second": lambda epoch: 1000.0 if epoch < 4 else 500.0}
    waiting = find(diagnose_run(tmp_path / "a", tell(*RISING, **slow)), "pace")
    working = find(diagnose_run(tmp_path / "b", tell(*RISING, **slow, cpu_seconds=lambda n: 4.0 + 4 * (n > 3))), "pace")

    assert "ran at 50% of its first, by the processor's own time at 100%" in waiting.measured
    assert "others use it" in waiting.advice[0]
    assert "by the processor's own time at 50%" in working.measured
    assert "throttled" in working.advice[0]


def test_how_a_run_ended_is_told(tmp_path: Path) -> None:
    lines = tell(*RISING)
    stopped, dead = (write_run(tmp_path / state, lines, state=state) for state in ("stopped", "training"))
    beat = json.loads((dead / HEARTBEAT).read_text())
    (dead / HEARTBEAT).write_text(json.dumps(beat | {"pid": 2**22 + 1}))
    silent = write_run(tmp_path / "silent", lines, state="training")
    (silent / HEARTBEAT).write_text(json.dumps(beat | {"host": "elsewhere", "time": time.time() - 100}))

    assert "training.resume=stopped goes on" in find(diagnose(stopped), "ending").advice[0]
    assert find(diagnose(stopped), "ending").state == "ok"
    assert find(diagnose(dead), "ending").state == "trouble"
    assert "it had used 1.0 GB at most" in find(diagnose(dead), "ending").measured
    assert find(diagnose(silent), "running").state == "watch"
    assert "leaves a checkpoint" in find(diagnose(silent), "running").advice[0]
    assert "heard of 100 s ago" in find(diagnose(silent), "running").measured


def test_a_young_training_raises_no_alarm(tmp_path: Path) -> None:
    folder = write_run(tmp_path, tell(0.01), state="training")
    beat = json.loads((folder / HEARTBEAT).read_text())
    (folder / HEARTBEAT).write_text(json.dumps(beat | {"total_steps": 50 * STEPS}))

    assert list_causes(diagnose(folder)) == set()
