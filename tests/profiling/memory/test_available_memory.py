"""What memory there is: the system's, or a container's where it has less."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from atft_kedro.profiling.memory.available_memory import measure_machine, measure_room

pytestmark = pytest.mark.slow


def write_limits(folder: Path, limit: str) -> Path:
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text("700000000\n")
    (folder / "memory.stat").write_text("anon 400000000\ninactive_file 200000000\nactive_file 100000000\n")
    return folder


def test_a_container_has_what_its_limit_leaves(tmp_path: Path) -> None:
    room = measure_room(write_limits(tmp_path, "1000000000"))

    assert room.total == 1_000_000_000
    assert room.free == pytest.approx(500_000_000 + psutil.Process().memory_info().rss, rel=0.05)


@pytest.mark.parametrize("limit", ["max", str(2**62)])
def test_a_container_without_a_limit_has_what_the_system_has(tmp_path: Path, limit: str) -> None:
    assert measure_room(write_limits(tmp_path, limit)).total == psutil.virtual_memory().total
    assert measure_room(tmp_path / "none").total == psutil.virtual_memory().total


MEASURING = """
import psutil
from atft_kedro.profiling.memory.available_memory import measure_machine
before = psutil.Process().memory_info().rss
machine = measure_machine("cpu", beside=7)
print(before, machine.process, machine.has_gpu)
"""


def test_a_process_that_trains_takes_more_than_its_libraries() -> None:
    fresh = subprocess.run([sys.executable, "-c", MEASURING], capture_output=True, text=True, check=True)

    before, process, has_gpu = fresh.stdout.split()
    assert int(before) < int(process) < 2e9
    assert has_gpu == "False"


def test_a_gpu_that_is_elsewhere_can_be_planned_for() -> None:
    machine = measure_machine("cuda")

    assert machine.has_gpu
    assert machine.gpu is None or machine.gpu.total > 0
