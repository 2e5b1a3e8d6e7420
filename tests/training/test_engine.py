"""The training loop: same numbers for a seed, resuming, phases and averages."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from atft_kedro.training.callbacks import Checkpoints
from atft_kedro.training.checkpoint import LAST, read_checkpoint
from atft_kedro.training.engine import Stop, Trainer, ema_decay_at, frozen_copy, update_average
from atft_kedro.training.process_control import StopFile
from atft_kedro.training.runs import STOP_FILE
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
def test_a_stopped_training_resumes_to_the_same_numbers(make: Make, tmp_path: Path, at: int) -> None:
    make = partial(make, phases=[PHASES[0], PHASES[1] | {"newest_days": 90}])
    whole = make()
    whole.fit()
    stop_request = Watch(at, lambda trainer: (tmp_path / STOP_FILE).touch())
    stopped = make([stop_request, Checkpoints(tmp_path, IDENTITY, keep=3), StopFile(tmp_path)])
    with pytest.raises(Stop):
        stopped.fit()

    resumed = make(seed=7)
    resumed.resume(read_checkpoint(tmp_path / LAST, IDENTITY))
    resumed.fit()

    assert stopped.progress.steps_done == at
    assert not (tmp_path / STOP_FILE).exists()
    assert resumed.progress == whole.progress
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], weight), name


def test_a_training_with_blocks_in_pieces_resumes_with_pieces(make: Make, tmp_path: Path) -> None:
    whole, stopped, resumed = make(), make(), make()
    stopped.callbacks = [
        Watch(10, lambda trainer: (tmp_path / STOP_FILE).touch()),
        Checkpoints(tmp_path, IDENTITY, keep=3),
        StopFile(tmp_path),
    ]
    for trainer in (whole, stopped):
        trainer.train_step.split_blocks(4)
    whole.fit()
    with pytest.raises(Stop):
        stopped.fit()

    resumed.resume(read_checkpoint(tmp_path / LAST, IDENTITY))
    resumed.fit()

    assert resumed.train_step.pieces_per_block == 4
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], weight), name


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


def test_an_epoch_without_a_score_keeps_the_best_weights(make: Make) -> None:
    scores = iter([0.03, float("nan"), 0.01, 0.02])
    trainer = make()
    trainer.validate = lambda network: {"rank_ic": next(scores)}  # type: ignore[method-assign]

    train_phases(trainer)

    assert (trainer.progress.best, trainer.progress.best_epoch) == (0.03, 1)


def test_weights_of_frozen_and_inactive_modules_do_not_change(make: Make) -> None:
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


def untrained_share(decay: float, steps: int) -> float:
    """Return the share of the initial weights in the average after some steps."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.ones_(network.weight)
    average = frozen_copy(network)
    nn.init.zeros_(network.weight)
    for step in range(steps):
        update_average(average, network, 1 - ema_decay_at(decay, step))
    return float(average.weight.detach())


def test_untrained_weights_leave_the_average_within_a_few_steps() -> None:
    assert untrained_share(0.995, 3) < 0.01
    assert untrained_share(0.995, 15) < 1e-4


def test_the_decay_rises_to_the_parameter() -> None:
    decays = [ema_decay_at(0.99, step) for step in range(2000)]

    assert decays == sorted(decays)
    assert (decays[0], decays[-1]) == (0.1, 0.99)
    assert ema_decay_at(0.0, 500) == 0.0


def test_a_trainer_warms_its_average_up_over_the_whole_training(make: Make) -> None:
    trainer = make(ema_decay=0.9999, steps_per_phase=2)
    weights = [next(trainer.network.parameters()).detach().clone()]
    trainer.train_step.run = lambda blocks, phase, rate: next_weights(trainer.network, weights)  # type: ignore
    train_phases(trainer)

    expected = weights[0]
    for step, weight in enumerate(weights[1:]):
        expected = torch.lerp(expected, weight, 1 - (1 + step) / (10 + step))
    assert len(weights) == 1 + 2 * len(PHASES)
    assert torch.allclose(next(trainer.ema.parameters()), expected)


def next_weights(network: nn.Module, weights: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Add one to each weight of a network, and store a copy."""
    with torch.no_grad():
        weights.append(next(network.parameters()).add_(1).clone())
    return {}
