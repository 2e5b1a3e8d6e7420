"""Test the measurement of trainings, and that it needs few packages."""

import subprocess
import sys

import pytest
import torch

from atft_kedro.profiling.bench_train import PHASE, measure_product, measure_speed
from atft_kedro.training.params import TrainingParams
from factories.params import make_params

pytestmark = pytest.mark.slow


def test_the_speed_is_measured() -> None:
    training = make_params(TrainingParams, phases=[PHASE])

    speed = measure_speed((6, 16, 16, 24), training, seconds=0.05)

    assert speed.forecasts > speed.single_day_forecasts > 0
    assert 0 < speed.flops < speed.product_flops
    assert speed.peak_memory > 1e8


def test_products_in_16_bits_are_measured() -> None:
    assert measure_product("bf16", torch.device("cpu"), 0.01) > 1e8


def test_it_runs_without_polars_kedro_and_pytorch_geometric() -> None:
    names = ("polars", "kedro", "mlflow", "rich", "pyarrow", "torch_geometric")
    blocked = "".join(f"sys.modules[{name!r}] = None;" for name in names)
    code = f"import sys; {blocked} import atft_kedro.profiling.bench_train, atft_kedro.training.run"

    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert process.returncode == 0, process.stderr
