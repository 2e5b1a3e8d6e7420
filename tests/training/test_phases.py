"""The curriculum: weights, rates and epochs of phases, and phases that cannot be."""

from typing import Any

import pytest
from pydantic import ValidationError

from atft_kedro.params import InputError
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.phases import PhaseParams, share_epochs
from atft_kedro.training.schedule import scheduled_rate
from factories.params import make_params


def test_horizons_weigh_less_the_longer_they_are_or_as_they_are_told() -> None:
    phase = PhaseParams(name="x", epochs=1, learning_rate=1)
    told = phase.model_copy(update={"horizon_weights": (1.0, 2.0)})

    assert phase.weigh_horizons((1, 10)) == pytest.approx([1, 0.1])
    assert told.weigh_horizons((1, 10)) == [1, 2]
    with pytest.raises(InputError, match="x has 2 horizon_weights with a sum of 3.0; there are 1"):
        told.weigh_horizons((5,))


def test_the_cosine_warms_up_and_falls_to_a_tenth() -> None:
    phase = PhaseParams(name="x", epochs=1, learning_rate=1, warmup=0.1)
    rates = [scheduled_rate(phase, done) for done in (0, 0.05, 0.1, 0.55, 1)]

    assert rates == pytest.approx([0.01, 0.505, 1, 0.55, 0.1], abs=0.01)
    assert scheduled_rate(phase.model_copy(update={"scheduler": "constant"}), 0.9) == 1


def test_epochs_are_shared_in_proportion() -> None:
    phases = [PhaseParams(name="x", epochs=epochs, learning_rate=1) for epochs in (5, 10, 8, 6)]

    assert share_epochs(phases, None) == [5, 10, 8, 6]
    assert share_epochs(phases, 58) == [10, 20, 16, 12]
    assert share_epochs(phases, 1) == [0, 1, 0, 0]
    for asked in range(1, 60):
        assert sum(share_epochs(phases, asked)) == asked


def test_phases_that_get_no_epoch_are_left_out_and_named() -> None:
    one, three = make_params(TrainingParams, epochs=1), make_params(TrainingParams, epochs=3)
    few_steps = make_params(TrainingParams, steps_per_phase=2)

    assert [(phase.name, phase.epochs) for phase in one.curriculum] == [("gat", 1)]
    assert one.skipped_phases == ["baseline", "adaptive_norm", "finetune", "augment"]
    assert sum(phase.epochs for phase in three.curriculum) == 3
    assert [phase.epochs for phase in few_steps.curriculum] == [1] * 5
    assert few_steps.skipped_phases == []


def test_two_phases_of_one_name_and_two_lengths_are_refused() -> None:
    twice = [{"name": "x", "epochs": 1, "learning_rate": 1e-3, "horizon_weights": [1, weight]} for weight in (0, 1)]

    with pytest.raises(ValidationError, match="several phases are named x: give each phase a different name"):
        make_params(TrainingParams, phases=twice)
    with pytest.raises(
        ValidationError,
        match=r"epochs \(3\) and steps_per_phase \(2\) are both set.*--params training.steps_per_phase=null",
    ):
        make_params(TrainingParams, epochs=3, steps_per_phase=2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"modules": ["gatt"]},
        {"loss": {"mae": 1}},
        {"scheduler": "linear"},
        {"epochs": 0},
        {"start_from": "first"},
    ],
)
def test_a_phase_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PhaseParams.model_validate({"name": "x", "epochs": 1, "learning_rate": 1e-3} | wrong)


@pytest.mark.parametrize(("said", "meant"), [("gat fan", ("gat", "fan")), ("", ()), (None, ()), (["gat"], ("gat",))])
def test_parts_to_go_without_are_words(said: object, meant: tuple[str, ...]) -> None:
    assert make_params(TrainingParams, without=said).without == meant


def test_an_unknown_part_cannot_be_gone_without() -> None:
    with pytest.raises(ValidationError, match="without"):
        make_params(TrainingParams, without="graph")
