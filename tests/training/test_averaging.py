"""The average of the weights, step by step: untrained weights leave it soon."""

import torch
from torch import nn

from atft_kedro.training.engine import ema_decay_at, frozen_copy, update_average
from factories.training import PHASES, Make, train_phases


def untrained_share(decay: float, steps: int) -> float:
    """Let a weight be 1 untrained and 0 from the first step on: what the average holds is the untrained share."""
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


def test_the_decay_rises_to_what_is_asked_for() -> None:
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
    """Move a network by one in each weight, and remember."""
    with torch.no_grad():
        weights.append(next(network.parameters()).add_(1).clone())
    return {}
