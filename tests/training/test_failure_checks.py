"""Steps that are not finite are skipped and reported; collapsed forecasts end a training."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from atft_kedro.params import InputError
from atft_kedro.training.data import TrainingData
from atft_kedro.training.failure_checks import NAN_BATCHES, CollapseCheck, NonFiniteCheck, TrainingFailure, debug_mode
from atft_kedro.training.params import CollapseParams
from factories.params import make_params
from factories.training import PHASES, Make, Watch


def set_infinite(training_data: TrainingData, day: int, stock: int, feature: int) -> TrainingData:
    features = training_data.panel.features.clone()
    features[training_data.panel.row_of[day, stock], feature] = torch.inf
    return replace(training_data, panel=replace(training_data.panel, features=features))


def train_day(training_data: TrainingData) -> int:
    return int(training_data.split.indices_of("train", training_data.panel.days)[30])


def test_an_infinite_value_in_the_panel_skips_its_steps_and_is_reported(
    make: Make, training_data: TrainingData, tmp_path: Path
) -> None:
    day = train_day(training_data)
    watch = Watch()
    trainer = make(
        [watch, NonFiniteCheck(tmp_path, budget=50)], data=set_infinite(training_data, day, 5, 7), phases=PHASES[:1]
    )

    trainer.fit()

    report = json.loads((tmp_path / NAN_BATCHES).read_text())
    skipped = [step for step, terms in enumerate(watch.terms, start=1) if terms["skipped"]]
    assert 0 < len(skipped) < len(watch.terms)
    assert [record["step"] for record in report] == skipped
    assert report[0]["codes_with_infinite_features"] == [training_data.panel.metadata.codes[5]]
    assert list(report[0]["infinite_features"]) == [training_data.panel.metadata.features[7]]
    assert str(training_data.panel.days[day]) in report[0]["days"] or len(report) > 1
    assert all(weight.isfinite().all() for weight in trainer.network.state_dict().values())
    assert all(weight.isfinite().all() for weight in trainer.ema.state_dict().values())


def test_a_skipped_step_leaves_weights_and_optimizer_as_they_were(make: Make) -> None:
    trainer = make(phases=PHASES[:1])
    blocks = list(trainer.train.sampler.epoch(0))
    trainer.train_step.run(blocks[:1], trainer.phase, 1e-3)
    before = {name: weight.clone() for name, weight in trainer.network.state_dict().items()}
    moments = [state["exp_avg"].clone() for state in trainer.train_step.optimizer.state.values()]
    trainer.network.heads.register_forward_hook(lambda module, inputs, output: output * torch.inf)

    terms = trainer.train_step.run(blocks[1:2], trainer.phase, 1e-3)

    assert terms["skipped"]
    assert all(weight.equal(before[name]) for name, weight in trainer.network.state_dict().items())
    now = [state["exp_avg"] for state in trainer.train_step.optimizer.state.values()]
    assert all(one.equal(other) for one, other in zip(moments, now, strict=True))


def test_too_many_skipped_steps_end_the_training_with_their_report(
    make: Make, training_data: TrainingData, tmp_path: Path
) -> None:
    trainer = make(
        [NonFiniteCheck(tmp_path, budget=0)], data=set_infinite(training_data, train_day(training_data), 5, 7)
    )

    with pytest.raises(TrainingFailure, match="1 steps had a loss or gradient that is not finite, more than nan_bud"):
        trainer.fit()

    assert len(json.loads((tmp_path / NAN_BATCHES).read_text())) == 1


def test_a_step_that_is_trained_again_after_a_kill_is_skipped_and_counted_once(
    make: Make, training_data: TrainingData, tmp_path: Path
) -> None:
    poisoned, one_epoch = (
        set_infinite(training_data, train_day(training_data), 5, 7),
        {"phases": [PHASES[0] | {"epochs": 1}]},
    )
    whole = make([NonFiniteCheck(tmp_path, budget=50)], data=poisoned, **one_epoch)
    whole.fit()
    skipped = json.loads((tmp_path / NAN_BATCHES).read_text())

    again = make(
        [NonFiniteCheck(tmp_path, budget=len(skipped))], data=poisoned, **one_epoch
    )  # it had no checkpoint yet
    again.fit()

    assert len(skipped) > 0
    assert json.loads((tmp_path / NAN_BATCHES).read_text()) == skipped


def test_collapsed_forecasts_end_the_training(make: Make) -> None:
    dying = {"name": "dying", "epochs": 9, "learning_rate": 1e-12}
    trainer = make([CollapseCheck(make_params(CollapseParams, scale=1e-3, epochs=2))], phases=[dying])
    with torch.no_grad():
        for network in (trainer.network, trainer.ema):
            network.heads.linear.weight.zero_()
            network.heads.nonlinear.weight.zero_()

    with pytest.raises(
        TrainingFailure, match="for 2 epochs their standard deviation within a day was .* of the labels', less than"
    ):
        trainer.fit()


def test_safe_training_names_the_first_tensor_that_is_not_finite(make: Make) -> None:
    trainer = make(detect_anomaly=True, deterministic=True, phases=PHASES[:1])
    with torch.no_grad():
        trainer.network.temporal.refinements[0].hidden.bias[3] = torch.nan

    message = r"Output 0 of temporal.refinements.0.hidden \(Linear, .*\) is the first"
    with pytest.raises(InputError, match=message), debug_mode(trainer.network, trainer.params):
        trainer.fit()

    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.is_anomaly_enabled()


def test_safe_training_has_the_same_scores_as_fast_training(make: Make) -> None:
    safe, fast = make(detect_anomaly=True, deterministic=True), make()
    with debug_mode(safe.network, safe.params):
        safe.fit()
    fast.fit()

    assert safe.progress.history == fast.progress.history
