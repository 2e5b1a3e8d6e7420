"""Output heads."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_kedro.network.heads import Heads, order_quantiles
from atft_kedro.network.params import NetworkParams
from factories.params import make_params


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-30, 30), min_size=5, max_size=5))
def test_quantiles_never_cross(raw: list[float]) -> None:
    ordered = order_quantiles(torch.tensor(raw), median_index=2)

    assert (ordered.diff() >= 0).all()
    assert ordered[2] == torch.tensor(raw)[2]


def test_head_dropout_differs_between_stocks_and_is_fixed_by_the_seed() -> None:
    x = torch.ones(3, 5, 64)
    heads = Heads(make_params(NetworkParams, head_dropout=0.5, layer_scale=1.0), n_horizons=2)

    torch.manual_seed(0)
    forecast = heads(x).detach()
    torch.manual_seed(0)
    again = heads(x).detach()

    assert len(forecast.flatten(0, 1).unique(dim=0)) == 3 * 5
    assert torch.equal(forecast, again)
    without_dropout = heads.eval()(x).detach().flatten(0, 1)
    assert torch.allclose(without_dropout, without_dropout[:1].expand_as(without_dropout))
