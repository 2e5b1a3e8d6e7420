"""Test the memory estimate: its parts, its accuracy, smaller trainings, comparison with runs."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from atft_kedro.cgroup import MemorySize, measure_free_memory
from atft_kedro.network.params import NetworkParams
from atft_kedro.profiling.memory.estimate import Machine, TrainingPlan, compare_with_run, measure_machine
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.runs import HEARTBEAT
from factories.memory import PHASES, estimate_sizes, run_in_process, write_noise
from factories.params import make_params
from factories.training_logs import make_log, write_run

pytestmark = pytest.mark.slow

SIZES = estimate_sizes(20, 200, 200, (1, 5))
LARGE = MemorySize(free=10**12, total=10**12)
CPU = Machine(process=400_000_000, keeps_freed=True, memory=LARGE)
GPU = Machine(process=400_000_000, keeps_freed=True, memory=LARGE, has_gpu=True, gpu=LARGE)
MEASURE = """
import psutil
from atft_kedro.profiling.memory.estimate import measure_machine
before = psutil.Process().memory_info().rss
machine = measure_machine("cpu", extra=7)
print(before, machine.process, machine.has_gpu)
"""


def make_plan(days: int = 16) -> TrainingPlan:
    training = make_params(TrainingParams, phases=PHASES, days_per_block=days)
    return TrainingPlan(SIZES, make_params(NetworkParams, hidden_size=32), training)


def find_size(parts: dict[str, int], prefix: str) -> int:
    return next(size for name, size in parts.items() if name.startswith(prefix))


def test_the_parts_add_up_to_the_need() -> None:
    need = make_plan().estimate(CPU)

    parts = {part.name: part.memory for part in need.parts}
    assert need.memory == sum(parts.values())
    assert need.gpu == 0
    assert find_size(parts, "Python") == 400_000_000
    assert find_size(parts, "panel") == SIZES.count_bytes(SIZES.read_rows) < SIZES.count_bytes(SIZES.rows)
    assert find_size(parts, "gradients") == find_size(parts, "weights") < find_size(parts, "optimizer")
    assert find_size(parts, "activations of a step, phase all") > find_size(parts, "weights")
    assert find_size(parts, "freed memory") > 0


def test_a_heap_that_returns_freed_memory_needs_less() -> None:
    assert make_plan().estimate(CPU).memory > make_plan().estimate(replace(CPU, keeps_freed=False)).memory


def test_on_a_gpu_panel_and_steps_use_its_memory() -> None:
    on_cpu, on_gpu = make_plan().estimate(CPU), make_plan().estimate(GPU)

    assert on_gpu.memory == 400_000_000 + SIZES.count_bytes(SIZES.rows)
    assert [part.gpu for part in on_gpu.parts if part.name.startswith("panel")] == [SIZES.count_bytes(SIZES.rows + 1)]
    activations = [part.memory for part in on_cpu.parts if "activations" in part.name]
    assert activations == [part.gpu for part in on_gpu.parts if "activations" in part.name]


def test_forecasts_of_many_validation_days_can_be_the_largest_part() -> None:
    need = replace(make_plan(days=1), sizes=replace(SIZES, validation_days=1000)).estimate(CPU)

    assert any(part.name == "forecasts of 1000 validation days" for part in need.parts)


def test_only_the_horizons_of_the_network_count() -> None:
    one = replace(make_plan(), network=make_params(NetworkParams, hidden_size=32, horizons=(5,)))

    assert one.estimate(CPU).memory < make_plan().estimate(CPU).memory


def test_the_largest_training_that_fits_is_found() -> None:
    need = make_plan().estimate(CPU)
    machine = replace(CPU, memory=MemorySize(free=need.memory - 1, total=10**12))

    found = make_plan().find_smaller(machine, need)

    assert found is not None
    smaller, less = found
    assert make_plan().format_changes(smaller) == "training.days_per_block=8,training.accumulate=2"
    assert less.memory < need.memory
    assert smaller.estimate(machine).memory == less.memory


def test_with_blocks_of_one_day_the_network_becomes_narrower() -> None:
    narrow = replace(make_plan(days=1), network=make_params(NetworkParams, hidden_size=128))
    need = narrow.estimate(CPU)
    machine = replace(CPU, memory=MemorySize(free=need.memory - 1, total=10**12))

    found = narrow.find_smaller(machine, need)

    assert found is not None
    assert narrow.format_changes(found[0]) == "network.hidden_size=64"


def test_no_training_fits_without_memory_for_the_process() -> None:
    machine = replace(CPU, memory=MemorySize(free=100_000_000, total=10**12))

    assert make_plan(days=2).find_smaller(machine, make_plan(days=2).estimate(machine)) is None


@pytest.mark.parametrize(
    ("features", "stocks", "precision"), [(60, 400, "fp32"), pytest.param(158, 200, "bf16", marks=pytest.mark.long)]
)
def test_the_estimate_is_within_a_fifth_of_the_measurement(
    features: int, stocks: int, precision: str, tmp_path: Path
) -> None:
    training = make_params(TrainingParams, phases=PHASES, days_per_block=32, precision=precision)
    network = make_params(NetworkParams, lookback=40)
    write_noise(tmp_path / "panel", features, stocks, days=150)

    estimated = run_in_process("estimate", tmp_path, network, training)
    measured = min(run_in_process("train", tmp_path, network, training) for _ in range(2))  # others only add

    assert estimated == pytest.approx(measured, rel=0.2)
    assert measured > 600e6  # clearly more than Python and its libraries


def test_a_run_is_compared_from_its_memory_at_the_start(tmp_path: Path) -> None:
    need = make_plan().estimate(CPU)
    index = next(part.memory for part in need.parts if part.name.startswith("graphs"))
    added = need.memory - 400_000_000 - index
    folder = write_run(tmp_path, make_log(0.1))
    heartbeat = json.loads((folder / HEARTBEAT).read_text())

    def compare(**measured: float) -> str:
        (folder / HEARTBEAT).write_text(json.dumps(heartbeat | measured))
        return compare_with_run(folder, need)

    after_features = compare(memory_at_start_gb=2.0, peak_memory_gb=2 + added / 1e9)
    on_gpu = compare(memory_at_start_gb=2.0, peak_memory_gb=2.0, peak_gpu_memory_gb=0.1)

    assert after_features.endswith("GB, 1.00 times the measured peak (with the measured start)")
    assert compare(peak_memory_gb=2.0).startswith("not comparable")
    assert on_gpu == "0.00 times the measured peak of the GPU's tensors"


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
