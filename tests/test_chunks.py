"""Test how many days are computed at once."""

import pytest
import torch

from atft_kedro.chunks import CHUNK_VALUES, count_days_at_once

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("values", "device", "expected"),
    [
        (1, CPU, CHUNK_VALUES),
        (CHUNK_VALUES // 3, CPU, 3),
        (CHUNK_VALUES + 1, CPU, 1),
        (0, CPU, CHUNK_VALUES),
        (CHUNK_VALUES, torch.device("cuda"), 32),
    ],
)
def test_a_cpu_computes_as_many_days_as_its_cache_holds(values: int, device: torch.device, expected: int) -> None:
    assert count_days_at_once(32, values, device) == expected


def test_compiled_code_has_no_loop() -> None:
    seen: list[int] = []

    def trace(x: torch.Tensor) -> torch.Tensor:
        seen.append(count_days_at_once(32, CHUNK_VALUES, x.device))
        return x + 1

    torch.compile(trace, backend="eager")(torch.ones(3))

    assert seen == [32]
