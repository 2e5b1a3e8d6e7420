"""The curriculum: weights, rates and epochs of phases, and phases that cannot be."""

from typing import Any

import pytest
from pydantic import ValidationError

from atft_kedro.params import InputError
from atft_kedro.training.phases import PhaseParams, share_epochs


def test_horizons_weigh_one_over_their_days_or_as_configured() -> None:
    phase = PhaseParams(name="x", epochs=1, learning_rate=1)
    values = phase.model_copy(update={"horizon_weights": (1.0, 2.0)})

    assert phase.weigh_horizons((1, 10)) == pytest.approx([1, 0.1])
    assert values.weigh_horizons((1, 10)) == [1, 2]
    with pytest.raises(InputError, match="x has 2 horizon_weights, but there are 1"):
        values.weigh_horizons((5,))


def test_epochs_are_shared_in_proportion() -> None:
    phases = [PhaseParams(name="x", epochs=epochs, learning_rate=1) for epochs in (5, 10, 8, 6)]

    assert share_epochs(phases, None) == [5, 10, 8, 6]
    assert share_epochs(phases, 58) == [10, 20, 16, 12]
    assert share_epochs(phases, 1) == [0, 1, 0, 0]
    for asked in range(1, 60):
        assert sum(share_epochs(phases, asked)) == asked


@pytest.mark.parametrize(
    "wrong",
    [
        {"modules": ["gatt"]},
        {"loss": {"mae": 1}},
        {"scheduler": "linear"},
        {"epochs": 0},
        {"start_from": "first"},
    ],
)
def test_a_phase_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PhaseParams.model_validate({"name": "x", "epochs": 1, "learning_rate": 1e-3} | wrong)
