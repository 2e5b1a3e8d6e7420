"""What a heartbeat says of its machine, as people read it."""

from atft_kedro.training.run_status import format_load

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
