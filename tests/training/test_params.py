"""Parameters of a training: phases, and contradictions that are refused."""

import pytest
import torch
from pydantic import ValidationError

from atft_kedro.training.params import TrainingParams
from factories.params import make_params
from factories.training import Make


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


@pytest.mark.parametrize(("text", "modules"), [("gat fan", ("gat", "fan")), ("", ()), (None, ()), (["gat"], ("gat",))])
def test_modules_to_switch_off_can_be_given_as_text(text: object, modules: tuple[str, ...]) -> None:
    assert make_params(TrainingParams, without=text).without == modules


def test_an_unknown_module_cannot_be_switched_off() -> None:
    with pytest.raises(ValidationError, match="without"):
        make_params(TrainingParams, without="graph")


def test_a_module_that_is_switched_off_is_not_trained(make: Make) -> None:
    trainer = make(without="gat fan", loss="mse:1")
    before = {name: weight.clone() for name, weight in trainer.network.named_parameters()}
    trainer.fit()

    assert all(not {"gat", "fan"} & set(phase.modules) for phase in trainer.params.curriculum)
    assert {tuple(phase.loss.active()) for phase in trainer.params.curriculum} == {("mse",)}
    for name, weight in trainer.network.named_parameters():
        if name.startswith(("gat.", "fan.")):
            assert torch.equal(weight, before[name]), name
    assert not torch.equal(trainer.network.heads.linear.weight, before["heads.linear.weight"])
