"""Some steps are watched: who took their time adds up, and everything that a training does is done."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from atft_kedro.params import InputError
from atft_kedro.profiling.trace.steps import REST, Profile, Rehearsal, choose_phase, profile_steps
from atft_kedro.training.data import count_stocks_per_day
from atft_kedro.training.params import TrainingParams
from factories.params import make_params
from factories.profiles import Asked

STEPS = 4


@pytest.fixture(scope="module")
def profiled(rehearsal: Rehearsal, tmp_path_factory: pytest.TempPathFactory) -> tuple[Profile, Path]:
    trace = tmp_path_factory.mktemp("profile") / "trace.json"
    return profile_steps(rehearsal, STEPS, trace), trace


def test_the_parts_of_a_step_are_the_whole_step(profiled: tuple[Profile, Path]) -> None:
    parts = profiled[0].parts

    assert list(parts) == ["reading the block", "forward", "backward", "optimizer", REST]
    assert min(parts.values()) > 0
    assert sum(parts.values()) == pytest.approx(profiled[0].watched, rel=0.5)
    assert parts["forward"] + parts["backward"] > 0.3 * sum(parts.values())


def test_operations_are_ranked_by_their_own_time(profiled: tuple[Profile, Path]) -> None:
    operations = profiled[0].operations

    assert sum(each.share for each in operations) == pytest.approx(1)
    assert [each.seconds for each in operations] == sorted((each.seconds for each in operations), reverse=True)
    assert sum(each.seconds for each in operations) <= 1.05 * sum(profiled[0].parts.values())
    named = {each.name: each for each in operations}
    assert named["aten::topk"].calls == 1  # of the strongest frequencies, once in a step
    assert not {"step", "reading", "forward"} & set(named)


def test_the_trace_is_one_that_chrome_opens_and_shows_the_parts(profiled: tuple[Profile, Path]) -> None:
    events = json.loads(profiled[1].read_text())["traceEvents"]

    begun = Counter(event["name"] for event in events if event.get("ph") == "X")
    assert (begun["step"], begun["forward"], begun["reading"]) == (STEPS, STEPS, STEPS)


def test_a_step_has_as_many_blocks_as_in_a_training(asked: Asked, trace: Path) -> None:
    twice = TrainingParams.model_validate(asked.training.model_dump() | {"accumulate": 2})

    profile_steps(asked.begin(training=twice), 1, trace)

    events = json.loads(trace.read_text())["traceEvents"]
    assert Counter(event["name"] for event in events if event.get("ph") == "X")["forward"] == 2


def test_blocks_have_as_many_samples_as_in_a_training(asked: Asked) -> None:
    stocks = count_stocks_per_day(asked.training_data.panel)
    training = TrainingParams.model_validate(asked.training.model_dump() | {"samples_per_block": round(3 * stocks)})

    assert len(asked.begin(training=training).groups[0][0]) == 3


def test_what_a_phase_switches_off_or_freezes_takes_no_time(asked: Asked, trace: Path) -> None:
    rehearsal = asked.begin(phase=0)

    named = {each.name for each in profile_steps(rehearsal, 1, trace).operations}

    assert "aten::topk" not in named
    assert rehearsal.phase.name == "plain"


def test_sixteen_bits_are_profiled_as_such(asked: Asked) -> None:
    half = TrainingParams.model_validate(asked.training.model_dump() | {"precision": "bf16"})
    seen: set[torch.dtype] = set()
    rehearsal = asked.begin(training=half)
    rehearsal.trainer.network.heads.trunk.register_forward_hook(lambda module, given, made: seen.add(made.dtype))

    rehearsal.take(1)

    assert rehearsal.trainer.params.precision == "bf16"
    assert seen <= {torch.bfloat16, torch.float32}


def test_the_profiler_keeps_quiet(rehearsal: Rehearsal, capfd: pytest.CaptureFixture[str]) -> None:
    rehearsal.watch(1, lines=False)

    assert capfd.readouterr() == ("", "")


def test_the_phase_with_most_epochs_is_looked_at() -> None:
    training = make_params(TrainingParams)

    assert choose_phase(training, None).name == "gat"
    assert choose_phase(training, "augment").augment.mixup > 0
    with pytest.raises(InputError, match="There is no phase 'gta'; there are baseline, adaptive_norm, gat"):
        choose_phase(training, "gta")
