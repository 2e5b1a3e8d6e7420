"""The loop: it learns, each phase does what it says, and a killed training goes on to the same numbers."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from atft_kedro.params import InputError
from atft_kedro.training.callbacks import LAST, Checkpoints, EpochLog
from atft_kedro.training.checkpoint import read_checkpoint
from atft_kedro.training.engine import Callback, Stop, Trainer
from atft_kedro.training.runs import STOP_FILE
from atft_kedro.training.stopping import StopFile
from factories.training import IDENTITY, NETWORK, PHASES, Make, Watch, train_phases


def test_training_lowers_the_loss_and_runs_every_phase(make: Make) -> None:
    watch = Watch()
    trainer = make([watch], phases=[{"name": "all", "epochs": 6, "learning_rate": 3e-3, "modules": ["fan", "gat"]}])

    trainer.fit()

    steps = trainer.train.sampler.steps
    first, last = ([terms["mse"] for terms in watch.terms[piece]] for piece in (slice(steps), slice(-steps, None)))
    assert sum(last) < sum(first)
    assert len(watch.terms) == trainer.total_steps == 6 * steps
    assert len(trainer.progress.history) == 6


def test_two_trainings_with_one_seed_agree_bit_for_bit_and_another_seed_does_not(make: Make) -> None:
    trainers = [make(), make(), make(seed=8)]
    for trainer in trainers:
        trainer.fit()

    one, same, other = (trainer.network.state_dict() for trainer in trainers)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert trainers[0].progress == trainers[1].progress
    assert trainers[0].progress.history != trainers[2].progress.history
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("at", [1, 10, 13, 27])
def test_a_stopped_training_goes_on_to_the_same_numbers(make: Make, tmp_path: Path, at: int) -> None:
    make = partial(make, phases=[PHASES[0], PHASES[1] | {"newest_days": 90}])
    whole = make()
    whole.fit()
    asked = Watch(at, lambda trainer: (tmp_path / STOP_FILE).touch())
    stopped = make([asked, Checkpoints(tmp_path, IDENTITY), StopFile(tmp_path)])
    with pytest.raises(Stop):
        stopped.fit()

    resumed = make(seed=7)
    resumed.resume(read_checkpoint(tmp_path / LAST, IDENTITY))
    resumed.fit()

    assert stopped.progress.steps == at
    assert not (tmp_path / STOP_FILE).exists()
    assert resumed.progress == whole.progress
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], weight), name


def test_a_training_that_was_cut_into_pieces_goes_on_in_pieces(make: Make, tmp_path: Path) -> None:
    whole, stopped, resumed = make(), make(), make()
    stopped.callbacks = [
        Watch(10, lambda trainer: (tmp_path / STOP_FILE).touch()),
        Checkpoints(tmp_path, IDENTITY),
        StopFile(tmp_path),
    ]
    for trainer in (whole, stopped):
        trainer.train_step.split_blocks(4)
    whole.fit()
    with pytest.raises(Stop):
        stopped.fit()

    resumed.resume(read_checkpoint(tmp_path / LAST, IDENTITY))
    resumed.fit()

    assert resumed.train_step.pieces == 4
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], weight), name


def test_safe_training_names_the_first_tensor_that_is_not_finite(make: Make) -> None:
    trainer = make(detect_anomaly=True, deterministic=True, phases=PHASES[:1])
    with torch.no_grad():
        trainer.network.temporal.refinements[0].hidden.bias[3] = torch.nan

    with pytest.raises(InputError, match=r"Output 0 of temporal.refinements.0.hidden \(Linear, .*\) is the first"):
        trainer.fit()

    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.is_anomaly_enabled()


def test_safe_training_gives_what_fast_training_gives(make: Make) -> None:
    safe, fast = make(detect_anomaly=True, deterministic=True), make()
    safe.fit()
    fast.fit()

    assert safe.progress.history == fast.progress.history


def test_two_trainings_agree_with_several_threads_too(make: Make) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        large = NETWORK.model_copy(update={"selection_size": 128})  # so that threads share the work
        trainers = [make(size=large), make(size=large)]
        for trainer in trainers:
            trainer.fit()
    finally:
        torch.set_num_threads(threads)

    assert trainers[0].progress.history == trainers[1].progress.history
    one, other = (trainer.network.state_dict() for trainer in trainers)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_accumulated_blocks_are_one_larger_step(make: Make) -> None:
    watches = [Watch(), Watch()]
    for accumulate, watch in zip((1, 2), watches, strict=True):
        trainer = make([watch], accumulate=accumulate, phases=PHASES[:1])
        trainer.fit()

    assert len(watches[1].terms) == -(-trainer.train.sampler.steps // 2) * 2
    assert len(watches[0].terms) > len(watches[1].terms)


def test_an_epoch_without_a_score_forgets_nothing(make: Make) -> None:
    scores = iter([0.03, float("nan"), 0.01, 0.02])
    trainer = make()
    trainer.validate = lambda network: {"rank_ic": next(scores)}  # type: ignore[method-assign]

    train_phases(trainer)

    assert (trainer.progress.best, trainer.progress.best_epoch) == (0.03, 1)


def test_frozen_children_stay_and_parts_that_are_off_do_not_learn(make: Make) -> None:
    trainer = make(phases=[{"name": "x", "epochs": 1, "learning_rate": 1e-2, "freeze": ["variable_selection"]}])
    before = {name: weight.clone() for name, weight in trainer.network.state_dict().items()}

    trainer.fit()

    moved = {
        name.split(".")[0] for name, weight in trainer.network.state_dict().items() if not weight.equal(before[name])
    }
    assert moved == {"temporal", "heads"}


def test_a_phase_can_start_from_the_best(make: Make) -> None:
    wild = {"name": "wild", "epochs": 1, "learning_rate": 0.5, "scheduler": "constant", "clip_norm": 1e9}
    still = {"name": "still", "epochs": 1, "learning_rate": 1e-12, "start_from": "best", "scheduler": "constant"}
    trainer = make(phases=[PHASES[0], wild, still])
    best: dict[str, torch.Tensor] = {}

    def keep(trainer: Trainer) -> None:
        best.update({name: weight.clone() for name, weight in trainer.best.items()})

    steps = trainer.train.sampler.steps
    trainer.callbacks = [Watch(3 * steps + 1, keep)]
    trainer.fit()

    weights = trainer.network.state_dict()
    assert all(torch.allclose(weights[name], best[name], atol=1e-4) for name in best)


class Days(Callback):
    """Keeps every step's days, and how many steps were counted."""

    def __init__(self) -> None:
        self.seen, self.begun = list[np.ndarray](), list[int]()

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, torch.Tensor]) -> None:
        self.seen.append(np.concatenate(days))
        self.begun.append(trainer.steps_before)


def test_a_phase_can_see_the_newest_days_only_and_its_steps_are_counted(make: Make) -> None:
    watch = Days()
    late = PHASES[1] | {"newest_days": 30}
    trainer = make([watch], phases=[PHASES[0], late])
    days, before = trainer.train.days, 2 * trainer.train.sampler.steps

    trainer.fit()

    early, newest = (np.concatenate(watch.seen[piece]) for piece in (slice(before), slice(before, None)))
    assert sorted(early[early >= 0]) == sorted([*days] * 2)
    assert sorted(newest[newest >= 0]) == sorted([*days[-30:]] * 2)
    assert watch.begun == list(range(1, trainer.total_steps + 1))
    assert trainer.total_steps == before + 2 * trainer.steps[1] < 2 * before


def test_a_few_steps_of_every_phase_try_each_of_them(make: Make) -> None:
    watch = Watch()
    trainer = make([watch], steps_per_phase=2)

    trainer.fit()

    assert (trainer.steps, trainer.epochs, trainer.total_steps) == ([2, 2], [1, 1], 4)
    assert ["ic" in terms for terms in watch.terms] == [False, False, True, True]
    assert len(trainer.progress.history) == 2


def test_a_short_training_ends_in_the_longest_phase(make: Make) -> None:
    trainer = make(phases=[PHASES[0] | {"epochs": 1}, PHASES[1], PHASES[0] | {"name": "three", "epochs": 1}], epochs=1)

    trainer.fit()

    assert trainer.phase.name == "two"
    assert len(trainer.progress.history) == 1
    assert trainer.progress.best_modules == ["fan", "gat"]


def score_as(trainer: Trainer, *scores: float) -> Trainer:
    """Let the epochs of a trainer have these scores, and train its phases by a step each."""
    given = iter(scores)
    trainer.validate = lambda network: {"rank_ic": next(given)}  # type: ignore[method-assign]
    trainer.steps = [1] * len(trainer.steps)
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


def test_a_plateau_lowers_the_rate_as_its_parameters_say(make: Make) -> None:
    phase = {"name": "x", "epochs": 6, "learning_rate": 1e-3, "scheduler": "plateau"}
    often, seldom = ({"factor": 0.1, "patience": patience, "min_learning_rate": 2e-5} for patience in (1, 3))

    rates = [score_as(make(phases=[phase], plateau=each), *[0.1] * 6).progress.rate_factor for each in (often, seldom)]

    assert rates == pytest.approx([0.02, 0.1])


def test_the_best_weights_are_chosen_by_one_score_for_all_phases(make: Make) -> None:
    """The second phase learns 20 days alone; weighed by its own horizon it could not be compared with the first."""
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


def test_what_a_training_goes_without_never_learns(make: Make) -> None:
    trainer = make(without="gat fan", loss="mse:1")
    before = {name: weight.clone() for name, weight in trainer.network.named_parameters()}
    trainer.fit()

    assert all(not {"gat", "fan"} & set(phase.modules) for phase in trainer.params.curriculum)
    assert {tuple(phase.loss.active()) for phase in trainer.params.curriculum} == {("mse",)}
    for name, weight in trainer.network.named_parameters():
        if name.startswith(("gat.", "fan.")):
            assert torch.equal(weight, before[name]), name
    assert not torch.equal(trainer.network.heads.linear.weight, before["heads.linear.weight"])
