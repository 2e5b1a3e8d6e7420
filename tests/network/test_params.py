"""Sizes of the network."""

import pytest
from pydantic import ValidationError

from atft_kedro.network.params import NetworkParams
from factories.params import make_params


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_size": 64, "heads": 5},
        {"lookback": 10},
        {"fan_k": 8},
        {"fan_channels": 100},
        {"quantiles": [0.1, 0.9]},
        {"quantiles": [0.5, 0.1]},
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_params(NetworkParams, **wrong)
