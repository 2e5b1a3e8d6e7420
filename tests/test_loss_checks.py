"""Test that a plugged-in loss with wrong gradients or masks is refused by name."""

from types import FunctionType

import pytest
import torch

from atft_kedro.loss_checks import _find_faults, require_usable
from atft_kedro.losses import LOSSES
from atft_kedro.params import InputError
from atft_kedro.plugins import load_plugin
from factories.plugins import plugin_package


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nan_gradient", "its gradient is not finite with equal forecasts"),
        ("unmasked", "the forecasts of masked stocks change it; use inputs.valid"),
        ("one_value", "it returns the shape (), not one value for each of 2 horizons"),
        ("no_gradient", "its gradient is zero"),
    ],
)
def test_a_wrong_loss_is_refused_by_name(name: str, message: str) -> None:
    with plugin_package(f"own_plugins.wrong:{name}"):
        loss = load_plugin(f"own_plugins.wrong:{name}", "losses", FunctionType)

    with pytest.raises(InputError) as refusal:
        require_usable({"mse": LOSSES["mse"], "own": loss})

    assert str(refusal.value).startswith(f"The loss own cannot be trained: {message}")


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "exposure"])
def test_losses_of_this_project_pass(name: str) -> None:
    assert list(_find_faults(LOSSES[name])) == []
    state = torch.get_rng_state()

    require_usable({"own": LOSSES[name]})

    assert torch.equal(torch.get_rng_state(), state)
