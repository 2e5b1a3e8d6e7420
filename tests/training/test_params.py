"""Parameters of a training, and the score that chooses the best weights."""

import pytest
import torch
from pydantic import ValidationError

from atft_kedro.params import InputError
from atft_kedro.training.params import SelectionParams, TrainingParams
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
    assert {tuple(phase.loss.positive_weights()) for phase in trainer.params.curriculum} == {("mse",)}
    for name, weight in trainer.network.named_parameters():
        if name.startswith(("gat.", "fan.")):
            assert torch.equal(weight, before[name]), name
    assert not torch.equal(trainer.network.heads.linear.weight, before["heads.linear.weight"])


@pytest.mark.parametrize(
    ("metric", "label", "score"),
    [
        ("rank_ic", "rank IC", 0.1),
        ("rank_ic_5d", "rank IC over 5 d", 0.2),
        ("net_sharpe", "net Sharpe", 1.5),
        ("loss_20d", "negative loss over 20 d", -0.9),
    ],
)
def test_a_score_is_named_and_higher_is_better(metric: str, label: str, score: float) -> None:
    selection = make_params(SelectionParams, metric=metric)
    scores = {"rank_ic": 0.1, "rank_ic_5d": 0.2, "net_sharpe": 1.5, "loss_20d": 0.9}

    assert (selection.label, selection.score(scores)) == (label, score)


def test_horizons_are_weighed_for_the_whole_run() -> None:
    assert make_params(SelectionParams).weigh_horizons((1, 10)) == pytest.approx([1, 0.1])
    assert make_params(SelectionParams, horizon_weights={10: 2.0}).weigh_horizons((1, 10)) == [0, 2]
    with pytest.raises(InputError, match=r"training.selection: the network forecasts no \[5\], only \(1, 10\)"):
        make_params(SelectionParams, metric="rank_ic_5d").weigh_horizons((1, 10))
    with pytest.raises(InputError, match=r"the network forecasts no \[3\]"):
        make_params(SelectionParams, horizon_weights={3: 1.0}).weigh_horizons((1, 10))


@pytest.mark.parametrize("wrong", [{"metric": "sharpe"}, {"metric": "rank_ic_0d"}, {"horizon_weights": {1: 0.0}}])
def test_a_selection_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_params(SelectionParams, **wrong)


def test_a_loss_chooses_only_where_all_phases_have_the_same() -> None:
    with pytest.raises(ValidationError, match="give all phases one loss with training.loss"):
        make_params(TrainingParams, selection={"metric": "loss"})
    assert make_params(TrainingParams, selection={"metric": "loss"}, loss="mse:1").selection.is_loss
