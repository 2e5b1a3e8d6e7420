"""Deterministic and checked training."""

import pytest
import torch

from atft_kedro.params import InputError
from factories.training import PHASES, Make


def test_safe_training_names_the_first_tensor_that_is_not_finite(make: Make) -> None:
    trainer = make(detect_anomaly=True, deterministic=True, phases=PHASES[:1])
    with torch.no_grad():
        trainer.network.temporal.refinements[0].hidden.bias[3] = torch.nan

    with pytest.raises(InputError, match=r"Output 0 of temporal.refinements.0.hidden \(Linear, .*\) is the first"):
        trainer.fit()

    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.is_anomaly_enabled()


def test_safe_training_has_the_same_scores_as_fast_training(make: Make) -> None:
    safe, fast = make(detect_anomaly=True, deterministic=True), make()
    safe.fit()
    fast.fit()

    assert safe.progress.history == fast.progress.history
