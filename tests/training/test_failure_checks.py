"""Trouble: what is not finite, what has collapsed and what does not fit into memory is named, and survived."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from atft_kedro.training.data import TrainingData
from atft_kedro.training.failure_checks import NAN_BATCHES, CollapseCheck, NonFiniteCheck, TrainingFailure
from atft_kedro.training.params import CollapseParams
from atft_kedro.training.train_step import is_out_of_memory
from factories.params import make_params
from factories.training import NETWORK, PHASES, Make, Watch


def poison(training_data: TrainingData, day: int, stock: int, feature: int) -> TrainingData:
    features = training_data.panel.features.clone()
    features[training_data.panel.row_of[day, stock], feature] = torch.inf
    return replace(training_data, panel=replace(training_data.panel, features=features))


def train_day(training_data: TrainingData) -> int:
    return int(training_data.split.indices_of("train", training_data.panel.days)[30])


def test_a_wild_value_in_the_panel_skips_its_steps_and_is_named(
    make: Make, training_data: TrainingData, tmp_path: Path
) -> None:
    day = train_day(training_data)
    watch = Watch()
    trainer = make(
        [watch, NonFiniteCheck(tmp_path, budget=50)], made_of=poison(training_data, day, 5, 7), phases=PHASES[:1]
    )

    trainer.fit()

    told = json.loads((tmp_path / NAN_BATCHES).read_text())
    skipped = [number for number, terms in enumerate(watch.terms, start=1) if terms["skipped"]]
    assert 0 < len(skipped) < len(watch.terms)
    assert [each["step"] for each in told] == skipped
    assert told[0]["codes_with_infinite_features"] == [training_data.panel.metadata.codes[5]]
    assert list(told[0]["infinite_features"]) == [training_data.panel.metadata.features[7]]
    assert str(training_data.panel.days[day]) in told[0]["days"] or len(told) > 1
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
    trainer = make([NonFiniteCheck(tmp_path, budget=0)], made_of=poison(training_data, train_day(training_data), 5, 7))

    with pytest.raises(TrainingFailure, match="1 steps had a loss or gradient that is not finite, more than nan_bud"):
        trainer.fit()

    assert len(json.loads((tmp_path / NAN_BATCHES).read_text())) == 1


def test_a_step_that_is_trained_again_after_a_kill_is_skipped_and_counted_once(
    make: Make, training_data: TrainingData, tmp_path: Path
) -> None:
    poisoned, one_epoch = poison(training_data, train_day(training_data), 5, 7), {"phases": [PHASES[0] | {"epochs": 1}]}
    whole = make([NonFiniteCheck(tmp_path, budget=50)], made_of=poisoned, **one_epoch)
    whole.fit()
    skipped = json.loads((tmp_path / NAN_BATCHES).read_text())

    again = make(
        [NonFiniteCheck(tmp_path, budget=len(skipped))], made_of=poisoned, **one_epoch
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
        TrainingFailure, match="for 2 epochs their deviation within a day was .* of the labels', less than"
    ):
        trainer.fit()


def run_out_above(days: int) -> Callable[..., None]:
    def hook(module: torch.nn.Module, inputs: tuple[object, ...]) -> None:
        if len(inputs[0].day) > days:  # type: ignore[attr-defined]
            raise torch.OutOfMemoryError

    return hook


def test_a_block_that_does_not_fit_is_learned_in_pieces(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    phase = {"name": "x", "epochs": 1, "learning_rate": 1e-3, "loss": {"mse": 1, "turnover": 1e-9}}
    calm = NETWORK.model_copy(update={"dropout": 0.0, "head_dropout": 0.0})
    watches = [Watch(), Watch()]
    pieces = []
    for watch, most in zip(watches, (16, 5), strict=True):
        trainer = make([watch], size=calm, phases=[phase])
        trainer.network.register_forward_pre_hook(run_out_above(most))
        trainer.fit()
        pieces.append(trainer.train_step.pieces)

    assert pieces == [1, 4]
    assert len(watches[0].terms) == len(watches[1].terms)
    whole, cut = ([terms["mse"] for terms in watch.terms] for watch in watches)
    assert whole == pytest.approx(cut, rel=1e-4)
    assert "the loss turnover now compares only the days of each piece" in caplog.messages


def test_a_block_of_one_day_that_does_not_fit_is_an_error(make: Make) -> None:
    trainer = make(phases=PHASES[:1])
    trainer.network.register_forward_pre_hook(run_out_above(0))

    with pytest.raises(torch.OutOfMemoryError):
        trainer.fit()


def test_a_cpu_without_memory_says_what_a_gpu_says() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)

    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


@pytest.mark.slow
def test_where_no_compiler_is_a_compiled_training_says_so_and_gives_the_same_numbers(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    torch._inductor.config.cpp.cxx = ("/nowhere/g++",)
    torch.compiler.reset()
    histories = []
    for compile in (False, True):
        trainer = make(compile=compile, phases=[PHASES[0] | {"epochs": 1}])
        trainer.fit()
        histories.append(trainer.progress.history)

    assert histories[0] == histories[1]
    assert [record for record in caplog.records if record.message.startswith("the network is not compiled and slower")]


@pytest.mark.slow
def test_a_compiled_training_gives_nearly_the_same_numbers(make: Make) -> None:
    torch.compiler.reset()
    losses = []
    for compile in (False, True):
        watch = Watch()
        calm = NETWORK.model_copy(update={"dropout": 0.0, "head_dropout": 0.0})
        make([watch], size=calm, compile=compile, phases=[PHASES[1] | {"epochs": 1}]).fit()
        losses.append([terms["loss"] for terms in watch.terms])

    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
