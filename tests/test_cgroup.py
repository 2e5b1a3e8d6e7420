"""Test the limits of a container, and of a machine without one."""

from pathlib import Path

import psutil
import pytest

from atft_kedro.cgroup import count_processors, measure_free_memory


def write_limits(folder: Path, limit: str) -> Path:
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text("700000000\n")
    (folder / "memory.stat").write_text("anon 400000000\ninactive_file 200000000\nactive_file 100000000\n")
    return folder


def test_cached_files_of_a_container_count_as_free(tmp_path: Path) -> None:
    memory = measure_free_memory(write_limits(tmp_path, "1000000000"))

    assert (memory.free, memory.total) == (500_000_000, 1_000_000_000)


@pytest.mark.parametrize("limit", ["max", str(2**62)])
def test_without_a_limit_the_memory_is_that_of_the_system(tmp_path: Path, limit: str) -> None:
    assert measure_free_memory(write_limits(tmp_path, limit)).total == psutil.virtual_memory().total
    assert measure_free_memory(tmp_path / "missing").total == psutil.virtual_memory().total


def test_a_quota_limits_the_processors(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")

    assert count_processors(tmp_path) == 1
    assert count_processors(tmp_path / "missing") == psutil.cpu_count()
