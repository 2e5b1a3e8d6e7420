"""Test that profiled steps are those of a training and that their times add up."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from atft_kedro.params import InputError
from atft_kedro.profiling.trace.steps import REST, ProfiledTraining, StepProfile, choose_phase, profile_steps
from atft_kedro.training.data import count_stocks_per_day
from atft_kedro.training.params import TrainingParams
from factories.params import make_params
from factories.profiles import ProfileCase

STEPS = 4


@pytest.fixture(scope="module")
def profiled(profiled_training: ProfiledTraining, tmp_path_factory: pytest.TempPathFactory) -> tuple[StepProfile, Path]:
    trace = tmp_path_factory.mktemp("profile") / "trace.json"
    return profile_steps(profiled_training, STEPS, trace), trace


def test_the_sections_add_up_to_the_step(profiled: tuple[StepProfile, Path]) -> None:
    sections = profiled[0].sections

    assert list(sections) == ["reading the block", "forward", "backward", "optimizer", REST]
    assert min(sections.values()) > 0
    assert sum(sections.values()) == pytest.approx(profiled[0].profiled_seconds, rel=0.5)
    assert sections["forward"] + sections["backward"] > 0.3 * sum(sections.values())


def test_operations_are_ranked_by_their_own_time(profiled: tuple[StepProfile, Path]) -> None:
    operations = profiled[0].operations
    seconds = [operation.seconds for operation in operations]

    assert sum(operation.share for operation in operations) == pytest.approx(1)
    assert seconds == sorted(seconds, reverse=True)
    assert sum(seconds) <= 1.05 * sum(profiled[0].sections.values())
    by_name = {operation.name: operation for operation in operations}
    assert by_name["aten::topk"].calls == 1  # FAN selects the strongest frequencies once per step
    assert not {"step", "reading", "forward"} & set(by_name)


def test_the_trace_contains_the_sections(profiled: tuple[StepProfile, Path]) -> None:
    events = json.loads(profiled[1].read_text())["traceEvents"]

    counts = Counter(event["name"] for event in events if event.get("ph") == "X")
    assert (counts["step"], counts["forward"], counts["reading"]) == (STEPS, STEPS, STEPS)


def test_a_step_has_as_many_blocks_as_in_a_training(profile_case: ProfileCase, trace: Path) -> None:
    twice = TrainingParams.model_validate(profile_case.training.model_dump() | {"accumulate": 2})

    profile_steps(profile_case.start(training=twice), 1, trace)

    events = json.loads(trace.read_text())["traceEvents"]
    assert Counter(event["name"] for event in events if event.get("ph") == "X")["forward"] == 2


def test_blocks_have_as_many_samples_as_in_a_training(profile_case: ProfileCase) -> None:
    stocks = count_stocks_per_day(profile_case.training_data.panel)
    training = TrainingParams.model_validate(
        profile_case.training.model_dump() | {"samples_per_block": round(3 * stocks)}
    )

    assert len(profile_case.start(training=training).step_blocks[0][0]) == 3


def test_disabled_modules_are_not_run(profile_case: ProfileCase, trace: Path) -> None:
    profiled_training = profile_case.start(phase=0)

    names = {operation.name for operation in profile_steps(profiled_training, 1, trace).operations}

    assert "aten::topk" not in names
    assert profiled_training.phase.name == "plain"


def test_sixteen_bits_are_profiled_as_such(profile_case: ProfileCase) -> None:
    half = TrainingParams.model_validate(profile_case.training.model_dump() | {"precision": "bf16"})
    seen: set[torch.dtype] = set()
    profiled_training = profile_case.start(training=half)
    profiled_training.trainer.network.heads.trunk.register_forward_hook(
        lambda module, inputs, output: seen.add(output.dtype)
    )

    profiled_training.run_steps(1)

    assert profiled_training.trainer.params.precision == "bf16"
    assert seen <= {torch.bfloat16, torch.float32}


def test_the_profiler_prints_nothing(profiled_training: ProfiledTraining, capfd: pytest.CaptureFixture[str]) -> None:
    profiled_training.run_profiler(1, with_lines=False)

    assert capfd.readouterr() == ("", "")


def test_the_phase_with_most_epochs_is_the_default() -> None:
    training = make_params(TrainingParams)

    assert choose_phase(training, None).name == "gat"
    assert choose_phase(training, "augment").augment.mixup > 0
    with pytest.raises(InputError, match="Unknown phase 'gta'; the phases are baseline, adaptive_norm, gat"):
        choose_phase(training, "gta")
