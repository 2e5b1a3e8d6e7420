"""A small network and two phases that tests train, and a callback that stores their steps."""

from collections.abc import Callable

import numpy as np
import torch

from atft_kedro.network.params import NetworkParams
from atft_kedro.training.checkpoint import Identity
from atft_kedro.training.engine import Callback, Trainer
from factories.params import make_params

NETWORK = make_params(
    NetworkParams, hidden_size=16, lookback=12, heads=2, layers=1, fan_window=4, fan_channels=4, graph_heads=2
)
IDENTITY = Identity(feature_hash="made", panel="p", params="{}")
PHASES = [
    {"name": "one", "epochs": 2, "learning_rate": 1e-3},
    {"name": "two", "epochs": 2, "learning_rate": 1e-3, "modules": ["fan", "gat"], "loss": "mse:0.5,ic:0.5"},
]
Make = Callable[..., Trainer]


class Watch(Callback):
    """Stores the losses of every step, and calls a function after one step."""

    def __init__(self, at: int = -1, then: Callable[[Trainer], None] = lambda trainer: None) -> None:
        self.at, self.then, self.terms = at, then, []

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, torch.Tensor]) -> None:
        self.terms.append({name: float(term) for name, term in terms.items()})
        if trainer.progress.steps_done == self.at:
            self.then(trainer)


def train_phases(trainer: Trainer) -> None:
    """Train all phases, without the start, the end and the scores of the SWA weights."""
    for phase in range(len(trainer.epochs_per_phase)):
        trainer._train_phase(phase)
