"""The status of a run, read from its folder."""

import json
from pathlib import Path

import pytest

from atft_kedro.evaluation.goals import GoalParams, check_goals
from atft_kedro.params import InputError
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


def test_a_status_names_the_weights_of_its_scores(tmp_path: Path) -> None:
    folder = write_run(tmp_path, make_log(0.05))
    heartbeat = json.loads((folder / HEARTBEAT).read_text())
    scored = {"score": 0.05, "best": 0.08, "best_weights": "SWA weights, mean of the last 3 epochs"}
    (folder / HEARTBEAT).write_text(json.dumps(heartbeat | scored))

    assert read_status(folder).rows()["validation rank IC"] == (
        "0.0500, EMA weights of the last epoch (best 0.0800: SWA weights, mean of the last 3 epochs)"
    )


@pytest.mark.parametrize("removed", ["time", "phase"])
def test_a_heartbeat_of_another_version_is_refused(tmp_path: Path, removed: str) -> None:
    folder = write_run(tmp_path, make_log(0.05))
    heartbeat = json.loads((folder / HEARTBEAT).read_text())
    del heartbeat[removed]
    (folder / HEARTBEAT).write_text(json.dumps(heartbeat))

    with pytest.raises(InputError, match=f"heartbeat.json was written by another version of this project: .*{removed}"):
        read_status(folder)


def test_a_skipped_step_with_an_infinite_norm_is_no_gradient_that_a_run_is_scored_by(tmp_path: Path) -> None:
    norms = [(0.3, 0.0), (float("inf"), 1.0), (float("nan"), 1.0), (0.2, 0.0)]
    lines = [{"step": step, "gradient": norm, "skipped": skipped} for step, (norm, skipped) in enumerate(norms)]
    (tmp_path / METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))

    goals = check_goals({}, read_max_gradient(tmp_path), make_params(GoalParams))

    assert goals["gradient_norm"].value == 0.3


def test_a_processor_has_memory_only() -> None:
    assert format_load(MEMORY) == {"memory": "0.81 GB, at most 0.83 GB"}


def test_a_peak_is_formatted_with_the_memory_at_start() -> None:
    output = format_load(MEMORY | {"memory_at_start_gb": 0.5})

    assert output == {"memory": "0.81 GB, at most 0.83 GB since the training began with 0.50 GB"}


def test_the_load_of_a_gpu_is_formatted() -> None:
    assert format_load(MEMORY | ALLOCATOR | COUNTERS) == {
        "memory": "0.81 GB, at most 0.83 GB",
        "GPU": "87 % busy, 54 °C, 302 of 700 W",
        "GPU memory": "12.8 of 80.0 GB used, 9.80 GB by tensors (at most 11.20), 12.00 GB reserved for them",
    }


def test_unknown_gpu_values_are_left_out() -> None:
    output = format_load({"gpu_temperature": 54, "gpu_power_w": 60})

    assert output == {"GPU": "54 °C, 60 W"}


def test_memory_shortages_are_counted() -> None:
    output = format_load(ALLOCATOR | {"gpu_memory_retries": 3, "gpu_memory_ooms": 1})

    assert output["GPU memory"].endswith("3 allocation retries, 1 times out of memory")


def test_an_empty_load_has_no_rows() -> None:
    assert format_load({}) == {}
