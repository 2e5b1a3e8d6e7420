"""Test the measured machine and process."""

import subprocess
import sys

import psutil
import pytest

from atft_kedro.cgroup import measure_free_memory
from atft_kedro.profiling.memory.available_memory import measure_machine

pytestmark = pytest.mark.slow

MEASURE = """
import psutil
from atft_kedro.profiling.memory.available_memory import measure_machine
before = psutil.Process().memory_info().rss
machine = measure_machine("cpu", extra=7)
print(before, machine.process, machine.has_gpu)
"""


def test_a_training_process_needs_more_than_its_libraries() -> None:
    process = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)

    before, needed, has_gpu = process.stdout.split()
    assert int(before) < int(needed) < 2e9
    assert has_gpu == "False"


def test_a_training_on_a_gpu_elsewhere_can_be_estimated() -> None:
    machine = measure_machine("cuda")

    assert machine.has_gpu
    assert machine.gpu is None or machine.gpu.total > 0


def test_the_memory_of_this_process_counts_as_free() -> None:
    machine = measure_machine("cpu")

    own = psutil.Process().memory_info().rss
    assert machine.memory.free == pytest.approx(measure_free_memory().free + own, rel=0.1)
