"""Which blocks an epoch has, and in which order."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_kedro.panel.sampler import BlockSampler


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=4),
    days=st.integers(1, 33),
    epoch=st.integers(0, 5),
    ranks=st.integers(1, 4),
)
def test_an_epoch_has_every_day_once_over_all_ranks(lengths: list[int], days: int, epoch: int, ranks: int) -> None:
    starts = np.cumsum([0, *[length + 5 for length in lengths]])
    stretches = [np.arange(start, start + length) for start, length in zip(starts, lengths, strict=False)]
    samplers = [BlockSampler(stretches, days, seed=3, rank=rank, ranks=ranks) for rank in range(ranks)]

    blocks = [list(sampler.epoch(epoch)) for sampler in samplers]

    seen = np.concatenate([block for own_blocks in blocks for block in own_blocks])
    assert sorted(seen[seen >= 0].tolist()) == np.concatenate(stretches).tolist()
    assert {len(own_blocks) for own_blocks in blocks} == {samplers[0].steps}
    for block in (block for own_blocks in blocks for block in own_blocks):
        known_days = block[block >= 0]
        assert len(block) == days
        assert (np.diff(known_days) == 1).all()
        assert (block[len(known_days) :] == -1).all()


def test_epochs_differ_in_order_and_borders_and_a_seed_repeats_them() -> None:
    sampler = BlockSampler([np.arange(500)], 32, seed=5)
    first, second = (np.stack(list(sampler.epoch(epoch))) for epoch in (0, 1))
    again = np.stack(list(replace(sampler).epoch(1)))

    assert np.array_equal(second, again)
    assert len({*first[:, 0]} & {*second[:, 0]}) < 0.5 * len(first)
    assert (np.diff(first[:, 0]) < 0).any()
    assert len(first) == len(second) == sampler.steps
    assert np.stack(list(sampler.chronological()))[:, 0].tolist() == list(range(0, 500, 32))
