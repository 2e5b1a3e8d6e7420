"""Test the checks of the machine."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from atft_kedro.diagnosis.diagnosis import diagnose
from atft_kedro.training.runs import HEARTBEAT
from factories.training_logs import (
    RISING,
    STEPS,
    assert_only_problem,
    diagnose_run,
    find_check,
    list_root_problems,
    make_log,
    write_run,
)


@pytest.mark.parametrize(
    ("name", "severity", "message", "values"),
    [
        ("memory", "warn", "2.00 times the memory", {"peak_memory_gb": lambda epoch: 1.0 + (epoch > 5)}),
        ("memory", "warn", "2.00 times the memory", {"memory_gb": lambda epoch: 1.0 + (epoch > 5)}),
        ("memory", "warn", "processed in 2 pieces", {"pieces": 2}),
        ("memory", "warn", "GPU memory was short 3 times", {"gpu_memory_retries": 3}),
        ("reading", "warn", "30.0% of the time", {"reading_seconds": 1.5}),
        ("reading", "error", "60.0% of the time", {"reading_seconds": 3.0}),
        ("GPU", "warn", "busy 30 %", {"gpu_utilisation": 30.0}),
        ("GPU", "warn", "busy 5 %", {"gpu_utilisation": 5.0}),
    ],
)
def test_a_machine_problem_is_found_alone(
    tmp_path: Path, name: str, severity: str, message: str, values: dict[str, Any]
) -> None:
    assert_only_problem(tmp_path, name, severity, message, values)


def test_processor_time_shows_whether_a_slow_training_waited(tmp_path: Path) -> None:
    slow: dict[str, Any] = {"forecasts_per_second": lambda epoch: 1000.0 if epoch < 4 else 500.0}
    more_work = {"cpu_seconds": lambda epoch: 4.0 + 4 * (epoch > 3)}

    waiting = find_check(diagnose_run(tmp_path / "a", make_log(*RISING, **slow)), "speed")
    working = find_check(diagnose_run(tmp_path / "b", make_log(*RISING, **slow, **more_work)), "speed")

    assert "ran at 50% of the first, by processor time at 100%" in waiting.message
    assert "do other programs use it" in waiting.advice[0]
    assert "by processor time at 50%" in working.message
    assert "throttled" in working.advice[0]


def test_the_status_shows_how_a_run_ended(tmp_path: Path) -> None:
    lines = make_log(*RISING)
    stopped, dead = (write_run(tmp_path / state, lines, state=state) for state in ("stopped", "training"))
    heartbeat = json.loads((dead / HEARTBEAT).read_text())
    (dead / HEARTBEAT).write_text(json.dumps(heartbeat | {"pid": 2**22 + 1}))
    silent = write_run(tmp_path / "silent", lines, state="training")
    (silent / HEARTBEAT).write_text(json.dumps(heartbeat | {"host": "elsewhere", "time": time.time() - 100}))

    after_stop, after_death, during_silence = (
        find_check(diagnose(folder), "status") for folder in (stopped, dead, silent)
    )

    assert "training.resume=stopped resumes it" in after_stop.advice[0]
    assert [after_stop.severity, after_death.severity, during_silence.severity] == ["ok", "error", "warn"]
    assert "it had used at most 1.0 GB" in after_death.message
    assert "writes a checkpoint" in during_silence.advice[0]
    assert "last heartbeat 100 s ago" in during_silence.message


def test_a_training_that_has_just_started_has_no_problem(tmp_path: Path) -> None:
    folder = write_run(tmp_path, make_log(0.01), state="training")
    heartbeat = json.loads((folder / HEARTBEAT).read_text())
    (folder / HEARTBEAT).write_text(json.dumps(heartbeat | {"total_steps": 50 * STEPS}))

    assert list_root_problems(diagnose(folder)) == set()
