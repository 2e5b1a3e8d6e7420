"""The status of a run, read from its folder."""

import json
from pathlib import Path

from atft_kedro.evaluation.goals import GoalParams, check_goals
from atft_kedro.training.run_status import format_load, read_max_gradient, read_status
from atft_kedro.training.runs import HEARTBEAT, METRICS
from factories.params import make_params
from factories.training_logs import make_log, write_run

MEMORY = {"memory_gb": 0.81, "peak_memory_gb": 0.834}
ALLOCATOR = {
    "gpu_memory_allocated_gb": 9.8,
    "peak_gpu_memory_gb": 11.2,
    "gpu_memory_reserved_gb": 12.0,
    "peak_gpu_memory_reserved_gb": 12.0,
    "gpu_memory_retries": 0,
    "gpu_memory_ooms": 0,
}
COUNTERS = {
    "gpu_utilisation": 87,
    "gpu_temperature": 54,
    "gpu_power_w": 301.5,
    "gpu_power_limit_w": 700,
    "gpu_memory_used_gb": 12.8,
    "gpu_memory_total_gb": 80,
}


def test_a_status_names_the_weights_of_each_score(tmp_path: Path) -> None:
    folder = write_run(tmp_path, make_log(0.05))
    beat = json.loads((folder / HEARTBEAT).read_text())
    scored = {"score": 0.05, "best": 0.08, "best_weights": "mean of the weights of the last 3 epochs"}
    (folder / HEARTBEAT).write_text(json.dumps(beat | scored))

    assert read_status(folder).rows()["validation rank IC"] == (
        "0.0500, averaged weights of the last epoch (best 0.0800: mean of the weights of the last 3 epochs)"
    )


def test_a_skipped_step_with_an_infinite_norm_is_no_gradient_that_a_run_is_scored_by(tmp_path: Path) -> None:
    norms = [(0.3, 0.0), (float("inf"), 1.0), (float("nan"), 1.0), (0.2, 0.0)]
    lines = [{"step": step, "gradient": norm, "skipped": skipped} for step, (norm, skipped) in enumerate(norms)]
    (tmp_path / METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))

    goals = check_goals({}, read_max_gradient(tmp_path), make_params(GoalParams))

    assert goals["gradient_norm"].value == 0.3


def test_a_processor_has_memory_only() -> None:
    assert format_load(MEMORY) == {"memory": "0.81 GB, at most 0.83 GB"}


def test_a_peak_is_told_with_what_the_process_held_before() -> None:
    said = format_load(MEMORY | {"memory_at_start_gb": 0.5})

    assert said == {"memory": "0.81 GB, at most 0.83 GB since the training began with 0.50 GB"}


def test_a_gpu_is_told_of_in_full() -> None:
    assert format_load(MEMORY | ALLOCATOR | COUNTERS) == {
        "memory": "0.81 GB, at most 0.83 GB",
        "GPU": "87 % busy, 54 °C, 302 of 700 W",
        "GPU memory": "12.8 of 80.0 GB used, 9.80 GB by tensors (at most 11.20), 12.00 GB reserved for them",
    }


def test_what_a_gpu_does_not_tell_is_left_out() -> None:
    said = format_load({"gpu_temperature": 54, "gpu_power_w": 60})

    assert said == {"GPU": "54 °C, 60 W"}


def test_memory_that_ran_short_is_told() -> None:
    said = format_load(ALLOCATOR | {"gpu_memory_retries": 3, "gpu_memory_ooms": 1})

    assert said["GPU memory"].endswith("3 allocation retries, 1 times out of memory")


def test_a_heartbeat_of_an_older_version_says_nothing() -> None:
    assert format_load({}) == {}
