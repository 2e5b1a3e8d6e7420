"""Test the checks of the GPU, the memory and the processors."""

from pathlib import Path

import psutil
import pytest
import torch

from atft_kedro.doctor.machine import Gpu, assess_gpus, check_memory, check_processors

GPU = Gpu("H100", "550.54", free_gb=70.0, total_gb=80.0)
FULL_GPU = Gpu("H100", "550.54", free_gb=1.0, total_gb=80.0)


@pytest.mark.parametrize(
    ("gpus", "is_usable", "severity", "message"),
    [
        ([], False, "ok", "none; torch"),
        ([GPU], True, "ok", "H100, 70 of 80 GB free; driver 550.54"),
        ([GPU], False, "warn", "torch cannot use it: H100"),
        ([GPU, FULL_GPU], True, "ok", "H100, 1 of 80 GB free"),
        ([FULL_GPU], True, "warn", "H100, 1 of 80 GB free"),
    ],
)
def test_an_unusable_or_full_gpu_is_reported(gpus: list[Gpu], is_usable: bool, severity: str, message: str) -> None:
    check = assess_gpus(gpus, is_usable, "torch 2.13")

    assert check.severity == severity
    assert message in check.message


def test_the_memory_of_a_container_is_its_limit_and_its_cache_is_free(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("6000000000\n")
    (tmp_path / "memory.current").write_text("5000000000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 500000000\n")
    full = check_memory(tmp_path)
    (tmp_path / "memory.max").write_text("max\n")

    assert (full.severity, full.message) == ("warn", "1.5 of 6.0 GB free")
    assert f"of {psutil.virtual_memory().total / 1e9:.1f} GB" in check_memory(tmp_path).message


def test_more_threads_than_processors_are_reported(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    before, free = torch.get_num_threads(), check_processors(tmp_path)
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    torch.set_num_threads(2)
    try:
        crowded = check_processors(tmp_path)
    finally:
        torch.set_num_threads(before)

    assert free.severity == "ok"
    assert (crowded.severity, crowded.message) == ("warn", "1, and torch uses 2 threads")
    assert "training.threads=1" in crowded.advice[0]
