"""Memory, GPU counters and times, with and without a GPU or NVML."""

import ctypes
import gc
import mmap
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
import torch

from atft_kedro.training.telemetry import (
    PROCESS_STATUS,
    Stopwatch,
    find_by_uuid,
    read_allocator,
    read_counters,
    read_devices,
    read_memory,
    restart_peak,
)


class Nvml:
    """NVML of a machine with two GPUs, in the opposite order of torch's list."""

    NVMLError = pynvml.NVMLError
    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU

    def __init__(self, *lacks: str, driver: bool = True, kind: str = "GPU") -> None:
        self.lacks, self.driver, self.kind = lacks, driver, kind

    def nvmlInit(self) -> None:
        if not self.driver:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid not in {f"{self.kind}-one", f"{self.kind}-other"}:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    def __getattr__(self, name: str) -> Any:
        """Return a function for every counter of a GPU."""
        answers = {
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=87, memory=40),
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=12_300_000_000, free=67_700_000_000, total=80_000_000_000),
            "nvmlDeviceGetTemperature": 54,
            "nvmlDeviceGetPowerUsage": 301_500,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
        }

        def answer(gpu: str, *_: int) -> Any:
            if any(lack in name for lack in self.lacks):
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return answers[name]

        return answer


def test_every_counter_has_its_unit() -> None:
    assert read_counters(Nvml(), "GPU-one") == {
        "gpu_utilisation": 87,
        "gpu_memory_used_gb": 12.3,
        "gpu_memory_total_gb": 80,
        "gpu_temperature": 54,
        "gpu_power_w": 301.5,
        "gpu_power_limit_w": 700,
    }


def test_only_the_counters_that_a_gpu_lacks_are_left_out() -> None:
    values = read_counters(Nvml("Utilization", "Power"), "MIG-one")

    assert set(values) == {"gpu_memory_used_gb", "gpu_memory_total_gb", "gpu_temperature"}


def test_a_gpu_is_found_by_its_uuid() -> None:
    assert find_by_uuid(Nvml(), "other") == "GPU-other"
    assert find_by_uuid(Nvml(kind="MIG"), "one") == "MIG-one"
    assert find_by_uuid(Nvml(), "unknown") is None


def test_a_driver_without_a_response_is_not_an_error() -> None:
    assert find_by_uuid(Nvml(driver=False), "one") is None


def test_all_functions_exist_in_nvml() -> None:
    command = ["nvmlInit", "nvmlDeviceGetHandleByUUID", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetMemoryInfo"]
    command += ["nvmlDeviceGetTemperature", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetEnforcedPowerLimit"]

    assert all(callable(getattr(pynvml, name)) for name in command)


@pytest.mark.skipif(not PROCESS_STATUS.exists(), reason="only Linux shows the current memory of a process")
def test_a_machine_without_a_gpu_has_memory_only() -> None:
    cpu = torch.device("cpu")

    assert read_devices(cpu) == {}
    values = read_memory(cpu)
    assert set(values) == {"peak_memory_gb", "memory_gb"}
    assert 0.05 < values["memory_gb"] <= values["peak_memory_gb"] < 100


@pytest.mark.skipif(not PROCESS_STATUS.exists(), reason="only Linux shows the current memory of a process")
def test_allocated_memory_is_measured() -> None:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # so that the heap of earlier tests is not given back meanwhile
    before = read_memory(torch.device("cpu"))["memory_gb"]

    taken = torch.ones(200_000_000)

    assert read_memory(torch.device("cpu"))["memory_gb"] - before == pytest.approx(taken.nbytes / 1e9, rel=0.1)


@pytest.mark.skipif(not PROCESS_STATUS.exists(), reason="elsewhere the system counts the parent's peak as the child's")
def test_a_peak_is_the_process_s_own_and_not_its_parent_s() -> None:
    held = torch.ones(500_000_000)
    command = "from atft_kedro.training.telemetry import measure_memory; print(measure_memory()['peak'])"

    peak = int(subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout)

    assert peak < held.nbytes / 2


def test_the_allocator_is_read_in_gigabytes_and_counts() -> None:
    stats = {
        "allocated_bytes.all.current": 2_000_000_000,
        "allocated_bytes.all.peak": 5_000_000_000,
        "reserved_bytes.all.current": 6_000_000_000,
        "reserved_bytes.all.peak": 7_000_000_000,
        "num_alloc_retries": 2,
        "num_ooms": 1,
    }

    assert read_allocator(stats) == {
        "gpu_memory_allocated_gb": 2,
        "peak_gpu_memory_gb": 5,
        "gpu_memory_reserved_gb": 6,
        "peak_gpu_memory_reserved_gb": 7,
        "gpu_memory_retries": 2,
        "gpu_memory_ooms": 1,
    }


@pytest.mark.skipif(not PROCESS_STATUS.exists(), reason="only Linux shows the current memory of a process")
def test_a_peak_counts_from_where_it_is_restarted() -> None:
    with mmap.mmap(-1, 400_000_000) as taken:
        taken.write(bytes(len(taken)))
    before = read_memory(torch.device("cpu"))

    began = restart_peak()["memory_at_start_gb"]
    after = read_memory(torch.device("cpu"))

    assert before["peak_memory_gb"] - before["memory_gb"] > 0.3
    assert after["peak_memory_gb"] == pytest.approx(began, abs=0.1)


def test_a_stopwatch_measures_only_its_context() -> None:
    watch = Stopwatch(torch.device("cpu"))
    for _ in range(2):
        with watch.running():
            time.sleep(0.02)
        time.sleep(0.05)

    first, second = watch.read(), watch.read()

    assert 0.04 <= first < 0.09
    assert second == first
