"""Test the diagnosis of real trainings and of logs."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from atft_kedro.checks import Severity
from atft_kedro.diagnosis.check_result import TrainingCheck
from atft_kedro.diagnosis.diagnosis import attribute_causes
from atft_kedro.training.data import TrainingData
from atft_kedro.training.engine import Callback, Trainer
from factories.training_logs import RISING, STEPS, Train, diagnose_run, find_check, list_root_problems, make_log


def test_a_healthy_training_has_no_problem(train: Train) -> None:
    diagnosis = train()

    found = {check.name for check in diagnosis.checks if check.severity != "ok"}
    assert found <= {"speed"}  # other programs on a busy machine can slow down single steps
    assert diagnosis.headline == "no problem found" or found
    assert find_check(diagnosis, "overfitting").numbers["train"] > 0.1
    assert find_check(diagnosis, "reading").numbers["share"] > 0
    assert {"gradient", "modules", "scale", "memory", "status"} <= {check.name for check in diagnosis.checks}


def test_a_learning_rate_of_ten_diverges(train: Train) -> None:
    diagnosis = train(phases=[{"learning_rate": 10.0}], collapse={"epochs": 0})

    found = find_check(diagnosis, "divergence")
    assert found.severity == "error"
    assert found.numbers["last"] > 100 * found.numbers["first"]
    assert found.advice == ("--params training.learning_rate=0.01 (now 10)",)
    assert list_root_problems(diagnosis) <= {"skipped steps", "divergence", "loss spikes", "gradient"}


def test_a_high_learning_rate_causes_loss_spikes(train: Train) -> None:
    found = find_check(
        train(phases=[{"learning_rate": 0.3, "epochs": 4, "modules": ["fan", "gat"]}], collapse={"epochs": 0}),
        "loss spikes",
    )

    assert found.severity == "error"
    assert found.numbers["share"] > 0.05


def test_an_infinite_feature_is_reported_by_name(train: Train, easy_data: TrainingData) -> None:
    features = easy_data.panel.features.clone()
    day = int(easy_data.split.indices_of("train", easy_data.panel.days)[30])
    features[easy_data.panel.row_of[day, 5], 7] = torch.inf

    diagnosis = train(replace(easy_data, panel=replace(easy_data.panel, features=features)), phases=[{"epochs": 3}])

    found, name = find_check(diagnosis, "skipped steps"), easy_data.panel.metadata.features[7]
    assert found.severity == "error"
    assert found.numbers["skipped"] > 0
    assert f"infinite in the panel: {name} of {easy_data.panel.metadata.codes[5]}" in found.message
    assert found.advice[0].startswith(f"correct {name} in the ML dataset")
    assert list_root_problems(diagnosis) == {"skipped steps"}


def test_too_much_weight_decay_flattens_the_forecasts(train: Train, training_data: TrainingData) -> None:
    diagnosis = train(training_data, weight_decay=200.0, phases=[{"learning_rate": 8e-3}], collapse={"epochs": 0})

    found = find_check(diagnosis, "scale")
    assert found.severity == "error"
    assert found.numbers["scale"] < 1e-3
    assert found.advice[0] == "--params training.weight_decay=50 (now 200)"
    assert list_root_problems(diagnosis) <= {"scale", "gradient", "speed"}


def test_a_large_network_on_few_days_overfits(train: Train, training_data: TrainingData) -> None:
    phase = {"epochs": 8, "learning_rate": 1e-2, "clip_norm": 9.0, "augment": {}}
    diagnosis = train(training_data, network={"hidden_size": 32}, weight_decay=0.0, phases=[phase])

    found = find_check(diagnosis, "overfitting")
    assert found.severity == "error"
    assert found.numbers["train"] > 0.2
    assert found.numbers["lost"] > 0.5
    assert "--params training.weight_decay=0.2 (now 0)" in found.advice
    assert "training.phases[0].augment.feature_noise: 0.1 (now 0)" in found.advice
    assert list_root_problems(diagnosis) == {"overfitting"}


def test_a_tiny_learning_rate_is_an_error(train: Train) -> None:
    diagnosis = train(phases=[{"learning_rate": 1e-9, "epochs": 3}])

    found = find_check(diagnosis, "learning rate")
    assert found.severity == "error"
    assert found.numbers["largest_move"] < 1e-6
    assert list_root_problems(diagnosis) == {"learning rate"}


class MemoryLimit(Callback):
    """Raise an out-of-memory error for blocks of more than ``max_days`` after the first step."""

    def __init__(self, max_days: int) -> None:
        self.max_days, self.is_on = max_days, False

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, torch.Tensor]) -> None:
        def hook(module: torch.nn.Module, inputs: tuple[object, ...]) -> None:
            if len(inputs[0].day) > self.max_days:  # type: ignore[attr-defined]
                raise torch.OutOfMemoryError

        if not self.is_on:
            trainer.network.register_forward_pre_hook(hook)
            self.is_on = True


def test_exhausted_memory_is_reported_with_blocks_that_fit(train: Train) -> None:
    diagnosis = train(callbacks=[MemoryLimit(5)], phases=[{"epochs": 3}])

    found = find_check(diagnosis, "memory")
    assert found.severity == "warn"
    assert "blocks of 16 days are processed in 4 pieces" in found.message
    assert found.advice[0].startswith("--params training.days_per_block=4,training.accumulate=4 ")
    assert list_root_problems(diagnosis) == {"memory"}


def test_a_problem_names_the_worse_problem_that_may_cause_it() -> None:
    def make_check(name: str, severity: Severity, seed: int = 7) -> TrainingCheck:
        return TrainingCheck(name=name, severity=severity, message="measured", advice=("change it",), seed=seed)

    checks = [
        make_check("divergence", "error"),
        make_check("overfitting", "error"),
        make_check("scale", "warn"),
        make_check("scale", "warn", seed=8),
    ]

    first, second, third, other = attribute_causes(checks)

    assert (first.severity, first.advice) == ("error", ("change it",))
    assert (second.severity, second.advice) == ("warn", ("may be caused by divergence: correct that first",))
    assert third.advice == ("may be caused by divergence: correct that first",)  # only the root is named
    assert other.advice == ("change it",)


def test_a_healthy_log_has_no_problem(tmp_path: Path) -> None:
    diagnosis = diagnose_run(tmp_path, make_log(*RISING))

    assert diagnosis.headline == "no problem found"
    assert list_root_problems(diagnosis) == set()


def test_small_irregularities_are_no_problem(tmp_path: Path) -> None:
    steps = {
        "gradient": lambda step: 2.0 if step % 10 == 0 else 0.3 if step > 30 else 0.9,
        "loss": lambda step: 1 + 0.003 * math.sin(step) + 0.06 * (step % STEPS == 20) + 0.5 * (step == 77),
        "gradient/gat": 2e-4,
    }
    lines = make_log(
        *(0.1, 0.2, 0.3, 0.4, 0.41, 0.42),
        steps=steps,
        train_loss=lambda epoch: 1.2 - 0.01 * epoch + 0.015 * (epoch == 6),
        reading_seconds=1.0,
        peak_memory_gb=lambda epoch: 1 + 0.02 * epoch,
        forecasts_per_second=lambda epoch: 1000 - 30 * epoch,
        gpu_utilisation=70.0,
        gpu_temperature=80.0,
        peak_gpu_memory_gb=70.0,
        gpu_memory_total_gb=80.0,
    )
    phase = {"name": "one", "epochs": 6, "learning_rate": 1e-3, "modules": ["fan", "gat"]}

    diagnosis = diagnose_run(tmp_path, [*lines, {"seed": 7, "swa": {"rank_ic": 0.423}}], phases=[phase])

    assert diagnosis.headline == "no problem found"
    assert find_check(diagnosis, "loss spikes").numbers["highest"] > 8
    assert find_check(diagnosis, "clipping").numbers["share"] == pytest.approx(0.1)
    assert find_check(diagnosis, "memory").message == "1.12 GB at most, 70.0 of the GPU's 80.0 GB"
    assert find_check(diagnosis, "GPU").message == "busy 70 % of the time at the end of the median epoch, at most 80 °C"
