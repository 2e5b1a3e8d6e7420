"""Blocks of random numbers, as inputs of networks."""

import torch

from atft_kedro.panel.blocks import Block


def random_block(
    features: int = 6, lookback: int = 12, days: int = 5, stocks: int = 7, neighbours: int = 3, seed: int = 0
) -> Block:
    """Make a block in which every stock is present on every day."""
    random = torch.Generator().manual_seed(seed)
    steps = lookback - 1 + days
    return Block(
        day=torch.arange(steps - days, steps),
        stock=torch.arange(stocks),
        rows=torch.arange(stocks * steps).view(stocks, steps),
        step_of_day=torch.arange(lookback - 1, steps).view(-1, 1).expand(days, stocks),
        row_day=torch.arange(steps).expand(stocks, steps),
        market=torch.randn(steps, 2 * features, generator=random),
        features=torch.randn(stocks, steps, features, generator=random).half(),
        targets=torch.randn(days, stocks, 2, generator=random),
        neighbours=torch.randint(0, stocks, (days, stocks, neighbours), generator=random),
        edges=torch.rand(days, stocks, neighbours, 3, generator=random).half(),
    )
