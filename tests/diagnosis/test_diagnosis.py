"""A diagnosis: trainings that go wrong hear what is wrong with them, with its numbers; a good one is left alone."""

from dataclasses import replace

import numpy as np
import torch

from atft_kedro.diagnosis.check_result import Finding, State
from atft_kedro.diagnosis.diagnosis import trace_back
from atft_kedro.training.data import TrainingData
from atft_kedro.training.engine import Callback, Trainer
from factories.training_logs import Train, find, list_causes


def test_a_healthy_training_is_in_order(train: Train) -> None:
    diagnosis = train()

    assert [each.about for each in diagnosis.findings if each.state != "ok"] == []
    assert diagnosis.headline == "in order"
    assert find(diagnosis, "overfitting").numbers["train"] > 0.1
    assert find(diagnosis, "reading").numbers["share"] > 0
    assert {"gradient", "modules", "scale", "memory", "ending"} <= {each.about for each in diagnosis.findings}


def test_a_learning_rate_of_ten_diverges(train: Train) -> None:
    diagnosis = train(phases=[{"learning_rate": 10.0}], collapse={"epochs": 0})

    found = find(diagnosis, "divergence")
    assert found.state == "trouble"
    assert found.numbers["last"] > 100 * found.numbers["first"]
    assert found.advice == ("--params training.learning_rate=0.01 (now 10)",)
    assert list_causes(diagnosis) <= {"finite", "divergence", "loss spikes", "gradient"}


def test_a_rate_that_is_somewhat_too_high_makes_the_loss_jump(train: Train) -> None:
    found = find(
        train(phases=[{"learning_rate": 0.3, "epochs": 4, "modules": ["fan", "gat"]}], collapse={"epochs": 0}),
        "loss spikes",
    )

    assert found.state == "trouble"
    assert found.numbers["share"] > 0.05


def test_an_infinite_feature_is_named(train: Train, plain: TrainingData) -> None:
    features = plain.panel.features.clone()
    day = int(plain.split.indices_of("train", plain.panel.days)[30])
    features[plain.panel.row_of[day, 5], 7] = torch.inf

    diagnosis = train(replace(plain, panel=replace(plain.panel, features=features)), phases=[{"epochs": 3}])

    found, name = find(diagnosis, "finite"), plain.panel.metadata.features[7]
    assert found.state == "trouble"
    assert found.numbers["skipped"] > 0
    assert f"infinite in the panel: {name} of {plain.panel.metadata.codes[5]}" in found.measured
    assert found.advice[0].startswith(f"mend {name} in the ML dataset")
    assert list_causes(diagnosis) == {"finite"}


def test_too_much_weight_decay_flattens_the_forecasts(train: Train, training_data: TrainingData) -> None:
    diagnosis = train(training_data, weight_decay=200.0, phases=[{"learning_rate": 8e-3}], collapse={"epochs": 0})

    found = find(diagnosis, "scale")
    assert found.state == "trouble"
    assert found.numbers["scale"] < 1e-3
    assert found.advice[0] == "--params training.weight_decay=50 (now 200)"
    assert list_causes(diagnosis) <= {"scale", "gradient"}


def test_a_large_network_on_few_days_remembers_them(train: Train, training_data: TrainingData) -> None:
    phase = {"epochs": 8, "learning_rate": 1e-2, "clip_norm": 9.0, "augment": {}}
    diagnosis = train(training_data, size={"hidden_size": 32}, weight_decay=0.0, phases=[phase])

    found = find(diagnosis, "overfitting")
    assert found.state == "trouble"
    assert found.numbers["train"] > 0.2
    assert found.numbers["lost"] > 0.5
    assert "--params training.weight_decay=0.2 (now 0)" in found.advice
    assert "training.phases[0].augment.feature_noise: 0.1 (now 0)" in found.advice
    assert list_causes(diagnosis) == {"overfitting"}


def test_a_learning_rate_of_next_to_nothing_is_told_how_far_it_gets(train: Train) -> None:
    diagnosis = train(phases=[{"learning_rate": 1e-9, "epochs": 3}])

    found = find(diagnosis, "learning rate")
    assert found.state == "trouble"
    assert found.numbers["way"] < 1e-6
    assert list_causes(diagnosis) == {"learning rate"}


class RunsOut(Callback):
    """Lets memory run out for blocks of more than some days, after a step."""

    def __init__(self, most: int) -> None:
        self.most, self.is_on = most, False

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, torch.Tensor]) -> None:
        def hook(module: torch.nn.Module, inputs: tuple[object, ...]) -> None:
            if len(inputs[0].day) > self.most:  # type: ignore[attr-defined]
                raise torch.OutOfMemoryError

        if not self.is_on:
            trainer.network.register_forward_pre_hook(hook)
            self.is_on = True


def test_memory_that_ran_out_is_told_with_blocks_that_fit(train: Train) -> None:
    diagnosis = train(watchers=[RunsOut(5)], phases=[{"epochs": 3}])

    found = find(diagnosis, "memory")
    assert found.state == "watch"
    assert "blocks of 16 days are learned in 4 pieces" in found.measured
    assert found.advice[0].startswith("--params training.days_per_block=4,training.accumulate=4 ")
    assert list_causes(diagnosis) == {"memory"}


def test_what_comes_of_something_worse_waits_for_that_one() -> None:
    def say(about: str, state: State, seed: int | None = 7) -> Finding:
        return Finding(about=about, state=state, measured="so much", advice=("change it",), seed=seed)

    found = [
        say("divergence", "trouble"),
        say("overfitting", "trouble"),
        say("scale", "watch"),
        say("scale", "watch", 8),
    ]

    first, second, third, other = trace_back(found)

    assert (first.state, first.advice) == ("trouble", ("change it",))
    assert (second.state, second.advice) == ("watch", ("may come of divergence: mend that first",))
    assert third.advice == ("may come of divergence: mend that first",)  # and not of what comes of that itself
    assert other.advice == ("change it",)
