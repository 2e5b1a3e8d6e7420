"""The bench of trainings: it measures, and a bare machine can run it."""

import subprocess
import sys

import pytest
import torch

from atft_kedro.profiling.bench_train import PHASE, measure_pace, measure_product
from atft_kedro.training.params import TrainingParams
from factories.params import make_params

pytestmark = pytest.mark.slow


def test_a_pace_is_measured() -> None:
    training = make_params(TrainingParams, phases=[PHASE])

    pace = measure_pace((6, 16, 16, 24), training, seconds=0.05)

    assert pace.forecasts > pace.alone > 0
    assert 0 < pace.utilisation < 1
    assert pace.memory > 1e8


def test_sixteen_bits_are_multiplied_too() -> None:
    assert measure_product("bf16", torch.device("cpu"), 0.01) > 1e8


def test_a_bare_machine_can_run_it() -> None:
    blocked = "".join(f"sys.modules[{name!r}] = None;" for name in ("polars", "kedro", "mlflow", "rich", "pyarrow"))
    code = f"import sys; {blocked} import atft_kedro.profiling.bench_train, atft_kedro.training.run"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
