"""A machine that is too small, or whose GPU lies idle, is named."""

from pathlib import Path

import psutil
import pytest
import torch

from atft_kedro.doctor.machine import Card, check_memory, check_processors, judge_gpu

CARD = Card("H100", "550.54", free=70.0, total=80.0)


@pytest.mark.parametrize(
    ("cards", "usable", "state", "told"),
    [
        ([], False, "ok", "none; torch"),
        ([CARD], True, "ok", "H100, 70 of 80 GB free; driver 550.54"),
        ([CARD], False, "warn", "torch cannot use it: H100"),
        ([CARD, Card("H100", "550.54", 1.0, 80.0)], True, "ok", "H100, 1 of 80 GB free"),
        ([Card("H100", "550.54", 1.0, 80.0)], True, "warn", "H100, 1 of 80 GB free"),
    ],
)
def test_a_gpu_that_cannot_be_used_or_is_full_is_named(cards: list[Card], usable: bool, state: str, told: str) -> None:
    check = judge_gpu(cards, usable, "torch 2.13")

    assert check.state == state
    assert told in check.found


def test_a_container_s_memory_is_what_it_may_use_and_its_cache_is_free(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("6000000000\n")
    (tmp_path / "memory.current").write_text("5000000000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 500000000\n")
    full = check_memory(tmp_path)
    (tmp_path / "memory.max").write_text("max\n")

    assert (full.state, full.found) == ("warn", "1.5 of 6.0 GB free")
    assert f"of {psutil.virtual_memory().total / 1e9:.1f} GB" in check_memory(tmp_path).found


def test_more_threads_than_the_container_has_processors_are_named(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    before, free = torch.get_num_threads(), check_processors(tmp_path)
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    torch.set_num_threads(2)
    try:
        crowded = check_processors(tmp_path)
    finally:
        torch.set_num_threads(before)

    assert free.state == "ok"
    assert (crowded.state, crowded.found) == ("warn", "1, and torch uses 2 threads")
    assert "training.threads=1" in crowded.advice
