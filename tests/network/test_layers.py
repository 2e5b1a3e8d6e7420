"""Shared layers."""

import torch

from atft_kedro.network.layers import LockedDropout


def test_locked_dropout_drops_whole_channels_of_a_sequence() -> None:
    torch.manual_seed(0)
    dropped = LockedDropout(0.5)(torch.ones(4, 6, 10))

    assert set(dropped.unique().tolist()) == {0, 2}
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert torch.equal(LockedDropout(0.5).eval()(torch.ones(2, 3, 4)), torch.ones(2, 3, 4))
