"""Phases: epochs, steps, learning rates, patience and frozen modules."""

from math import nan
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from atft_kedro.params import InputError
from atft_kedro.training.callbacks import EpochLog
from atft_kedro.training.engine import Callback, Trainer
from atft_kedro.training.phases import PhaseParams, distribute_epochs, is_better, learning_rate_factor
from factories.training import PHASES, Make, Watch, train_phases


def test_horizons_weigh_one_over_their_days_or_as_configured() -> None:
    phase = PhaseParams(name="x", epochs=1, learning_rate=1)
    values = phase.model_copy(update={"horizon_weights": (1.0, 2.0)})

    assert phase.weigh_horizons((1, 10)) == pytest.approx([1, 0.1])
    assert values.weigh_horizons((1, 10)) == [1, 2]
    with pytest.raises(InputError, match="x has 2 horizon_weights, but there are 1"):
        values.weigh_horizons((5,))


def test_epochs_are_shared_in_proportion() -> None:
    epochs = (5, 10, 8, 6)

    assert distribute_epochs(epochs, None) == [5, 10, 8, 6]
    assert distribute_epochs(epochs, 58) == [10, 20, 16, 12]
    assert distribute_epochs(epochs, 1) == [0, 1, 0, 0]
    for total in range(1, 60):
        assert sum(distribute_epochs(epochs, total)) == total


@pytest.mark.parametrize(
    "wrong",
    [
        {"modules": ["gatt"]},
        {"loss": {"unknown": 1}},
        {"scheduler": "linear"},
        {"epochs": 0},
        {"start_from": "first"},
    ],
)
def test_a_phase_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PhaseParams.model_validate({"name": "x", "epochs": 1, "learning_rate": 1e-3} | wrong)


class Days(Callback):
    """Stores the days of every step, and the planned steps done after it."""

    def __init__(self) -> None:
        self.seen, self.begun = list[np.ndarray](), list[int]()

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, torch.Tensor]) -> None:
        self.seen.append(np.concatenate(days))
        self.begun.append(trainer.planned_steps_done)


def test_a_phase_can_use_only_the_newest_days_and_its_steps_are_counted(make: Make) -> None:
    watch = Days()
    late = PHASES[1] | {"newest_days": 30}
    trainer = make([watch], phases=[PHASES[0], late])
    days, before = trainer.train.days, 2 * trainer.train.sampler.steps

    trainer.fit()

    early, newest = (np.concatenate(watch.seen[piece]) for piece in (slice(before), slice(before, None)))
    assert sorted(early[early >= 0]) == sorted([*days] * 2)
    assert sorted(newest[newest >= 0]) == sorted([*days[-30:]] * 2)
    assert watch.begun == list(range(1, trainer.total_steps + 1))
    assert trainer.total_steps == before + 2 * trainer.steps_per_epoch[1] < 2 * before


def test_steps_per_phase_limits_every_phase(make: Make) -> None:
    watch = Watch()
    trainer = make([watch], steps_per_phase=2)

    trainer.fit()

    assert (trainer.steps_per_epoch, trainer.epochs_per_phase, trainer.total_steps) == ([2, 2], [1, 1], 4)
    assert ["ic" in terms for terms in watch.terms] == [False, False, True, True]
    assert len(trainer.progress.history) == 2


def test_a_short_training_ends_in_the_longest_phase(make: Make) -> None:
    trainer = make(phases=[PHASES[0] | {"epochs": 1}, PHASES[1], PHASES[0] | {"name": "three", "epochs": 1}], epochs=1)

    trainer.fit()

    assert trainer.phase.name == "two"
    assert len(trainer.progress.history) == 1
    assert trainer.progress.best_modules == ["fan", "gat"]


def score_as(trainer: Trainer, *scores: float) -> Trainer:
    """Set the scores of a trainer's epochs, and train every epoch for one step."""
    given = iter(scores)
    trainer.validate = lambda network: {"rank_ic": next(given)}  # type: ignore[method-assign]
    trainer.steps_per_epoch = [1] * len(trainer.steps_per_epoch)
    train_phases(trainer)
    return trainer


def test_plateau_and_patience_measure_a_phase_by_its_own_best(make: Make) -> None:
    phase = {"name": "first", "epochs": 1, "learning_rate": 1e-3}
    long = {"name": "long", "epochs": 5, "learning_rate": 1e-3, "scheduler": "plateau", "patience": 2}
    rising = make(phases=[phase, long], plateau={"patience": 2})
    falling = make(phases=[long, phase | {"name": "last"}], plateau={"patience": 2})

    assert not falling.is_done
    score_as(rising, 0.5, 0.1, 0.11, 0.12, 0.13, 0.14)
    score_as(falling, 0.5, 0.4, 0.3, 0.6)

    assert (rising.progress.rate_factor, rising.progress.epochs_since_best, len(rising.progress.history)) == (1.0, 0, 6)
    assert (rising.progress.best, rising.progress.best_epoch) == (0.5, 1)
    assert (falling.phase.name, len(falling.progress.history)) == ("last", 4)
    assert falling.is_done
    assert (falling.progress.best, falling.progress.best_epoch) == (0.6, 4)


def test_a_plateau_lowers_the_rate_by_its_parameters(make: Make) -> None:
    phase = {"name": "x", "epochs": 6, "learning_rate": 1e-3, "scheduler": "plateau"}
    often, seldom = ({"factor": 0.1, "patience": patience, "min_learning_rate": 2e-5} for patience in (1, 3))

    rates = [
        score_as(make(phases=[phase], plateau=params), *[0.1] * 6).progress.rate_factor for params in (often, seldom)
    ]

    assert rates == pytest.approx([0.02, 0.1])


def test_the_best_weights_are_chosen_by_one_score_for_all_phases(make: Make) -> None:
    """The second phase trains one horizon only: its loss weights would give another score."""
    phases = [PHASES[0] | {"epochs": 1}, PHASES[1] | {"epochs": 1, "horizon_weights": [0, 0, 0, 1]}]
    short = {"phases": phases, "steps_per_phase": 2, "swa_share": 0.0}
    weekly_best = {"metric": "net_sharpe_5d", "horizon_weights": {1: 1, 20: 1}}
    usual, weekly = make(**short), make(**short, selection=weekly_best)
    for trainer in (usual, weekly):
        trainer.fit()

    for epoch in usual.progress.history:
        means = [epoch[f"rank_ic_{horizon}d"] / horizon for horizon in (1, 5, 10, 20)]
        assert epoch["rank_ic"] == pytest.approx(sum(means) / (1 + 1 / 5 + 1 / 10 + 1 / 20))
    assert usual.progress.best == max(epoch["rank_ic"] for epoch in usual.progress.history)
    for epoch in weekly.progress.history:
        assert epoch["rank_ic"] == pytest.approx((epoch["rank_ic_1d"] + epoch["rank_ic_20d"]) / 2)
    assert weekly.progress.best == max(epoch["net_sharpe_5d"] for epoch in weekly.progress.history)


def test_patience_ends_a_phase(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    phase = {"name": "x", "epochs": 30, "learning_rate": 1e-9, "scheduler": "constant"}
    trainer = make([EpochLog()], phases=[phase], ema_decay=0.0, patience=2)

    with caplog.at_level("INFO"):
        trainer.fit()

    assert len(trainer.progress.history) < 30
    assert trainer.progress.epochs_since_best == 2
    assert "x ends early: no new best for 2 epochs" in caplog.text


def test_the_cosine_warms_up_and_falls_to_a_tenth() -> None:
    phase = PhaseParams(name="x", epochs=1, learning_rate=1, warmup=0.1)
    rates = [learning_rate_factor(phase, done) for done in (0, 0.05, 0.1, 0.55, 1)]

    assert rates == pytest.approx([0.01, 0.505, 1, 0.55, 0.1], abs=0.01)
    assert learning_rate_factor(phase.model_copy(update={"scheduler": "constant"}), 0.9) == 1


def test_any_score_beats_none_and_an_undefined_one_beats_no_defined_one() -> None:
    assert is_better(nan, None)
    assert is_better(nan, nan)
    assert is_better(-5.0, nan)
    assert not is_better(nan, -5.0)
    assert not is_better(0.1, 0.1)
