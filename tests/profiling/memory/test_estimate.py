"""What a training will need: told part by part, near what it then takes, and smaller where it would not fit."""

from dataclasses import replace
from pathlib import Path

import pytest

from atft_kedro.graph.neighbours import GraphParams
from atft_kedro.network.params import NetworkParams
from atft_kedro.panel.split import SplitParams
from atft_kedro.profiling.memory.available_memory import Machine, Room
from atft_kedro.profiling.memory.estimate import Plan
from atft_kedro.profiling.memory.sizes import Sizes, name_panel
from atft_kedro.training.params import TrainingParams
from factories.memory import PHASES, ask, write_noise
from factories.params import make_params

pytestmark = pytest.mark.slow

SIZES = Sizes.make_up(name_panel(20, 200, 200, (1, 5)), make_params(SplitParams), make_params(GraphParams))
LARGE = Room(free=10**12, total=10**12)
CPU = Machine(process=400_000_000, keeps_freed=True, room=LARGE)
GPU = Machine(process=400_000_000, keeps_freed=True, room=LARGE, has_gpu=True, gpu=LARGE)


def plan(days: int = 16) -> Plan:
    training = make_params(TrainingParams, phases=PHASES, days_per_block=days)
    return Plan(SIZES, make_params(NetworkParams, hidden_size=32), training)


def size_of(parts: dict[str, int], begins: str) -> int:
    return next(size for what, size in parts.items() if what.startswith(begins))


def test_the_parts_are_those_of_a_training() -> None:
    need = plan().predict(CPU)

    parts = {part.what: part.memory for part in need.parts}
    assert need.memory == sum(parts.values())
    assert need.gpu == 0
    assert size_of(parts, "Python") == 400_000_000
    assert size_of(parts, "panel") == SIZES.bytes_of(SIZES.seen) < SIZES.mapped
    assert size_of(parts, "gradients") == size_of(parts, "weights") < size_of(parts, "optimizer")
    assert size_of(parts, "activations of a step, phase all") > size_of(parts, "weights")
    assert size_of(parts, "gaps") > 0


def test_a_heap_that_gives_back_what_is_freed_has_no_gaps() -> None:
    assert plan().predict(CPU).memory > plan().predict(replace(CPU, keeps_freed=False)).memory


def test_on_a_gpu_the_panel_is_copied_there_and_steps_are_taken_there() -> None:
    on_cpu, on_gpu = plan().predict(CPU), plan().predict(GPU)

    assert on_gpu.memory == 400_000_000 + SIZES.mapped
    assert [part.gpu for part in on_gpu.parts if part.what.startswith("panel")] == [SIZES.bytes_of(SIZES.rows + 1)]
    activations = [part.memory for part in on_cpu.parts if "activations" in part.what]
    assert activations == [part.gpu for part in on_gpu.parts if "activations" in part.what]


def test_forecasts_of_many_validation_days_may_be_what_takes_most() -> None:
    need = replace(plan(days=1), sizes=replace(SIZES, validation_days=1000)).predict(CPU)

    assert any(part.what == "forecasts of 1000 validation days" for part in need.parts)


def test_all_horizons_but_those_of_the_network_are_left_out() -> None:
    one = replace(plan(), network=make_params(NetworkParams, hidden_size=32, horizons=(5,)))

    assert one.predict(CPU).memory < plan().predict(CPU).memory


def test_what_would_fit_is_the_nearest_smaller_training() -> None:
    need = plan().predict(CPU)
    machine = replace(CPU, room=Room(free=need.memory - 1, total=10**12))

    found = plan().find_smaller(machine, need)

    assert found is not None
    smaller, less = found
    assert plan().name_changes(smaller) == "training.days_per_block=8,training.accumulate=2"
    assert less.memory < need.memory
    assert smaller.predict(machine).memory == less.memory


def test_a_narrower_network_is_what_is_left_when_blocks_are_a_day_long() -> None:
    narrow = replace(plan(days=1), network=make_params(NetworkParams, hidden_size=128))
    need = narrow.predict(CPU)
    machine = replace(CPU, room=Room(free=need.memory - 1, total=10**12))

    found = narrow.find_smaller(machine, need)

    assert found is not None
    assert narrow.name_changes(found[0]) == "network.hidden_size=64"


def test_nothing_fits_where_not_even_the_process_does() -> None:
    machine = replace(CPU, room=Room(free=100_000_000, total=10**12))

    assert plan(days=2).find_smaller(machine, plan(days=2).predict(machine)) is None


@pytest.mark.slow
@pytest.mark.parametrize(("features", "stocks", "precision"), [(60, 400, "fp32"), (158, 200, "bf16")])
def test_what_was_predicted_is_within_a_fifth_of_what_is_measured(
    features: int, stocks: int, precision: str, tmp_path: Path
) -> None:
    training = make_params(TrainingParams, phases=PHASES, days_per_block=32, precision=precision)
    network = make_params(NetworkParams, lookback=40)
    write_noise(tmp_path / "panel", features, stocks, days=150)

    predicted = ask("predict", tmp_path, network, training)
    measured = min(ask("train", tmp_path, network, training) for _ in range(2))  # the system only adds to it

    assert predicted == pytest.approx(measured, rel=0.2)
    assert measured > 600e6  # not all of it is Python and its libraries
