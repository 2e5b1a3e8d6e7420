"""Augmentation: random changes of the blocks in training."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field

from ..panel.blocks import ABSENT, Block
from ..params import Params

Share = Annotated[float, Field(ge=0, lt=1)]


class AugmentParams(Params):
    """Amount of each augmentation; 0 switches it off.

    ``feature_noise`` is a standard deviation in units of scaled features; ``time_mask`` the largest number of
    consecutive steps that are masked in each stock's past; ``segment_permutation`` the steps of two segments of history
    that are exchanged; ``mixup`` the concentration of the beta distribution that mixes two stocks of the same days;
    ``edge_dropout`` the share of edges that are removed.
    """

    feature_noise: Annotated[float, Field(ge=0)] = 0.0
    time_mask: Annotated[int, Field(ge=0)] = 0
    segment_permutation: Annotated[int, Field(ge=0)] = 0
    mixup: Annotated[float, Field(ge=0)] = 0.0
    edge_dropout: Share = 0.0

    def active(self) -> dict[str, float]:
        """Map the augmentations that are on to their amounts."""
        return {name: amount for name, amount in self.model_dump().items() if amount}


def augment(block: Block, params: AugmentParams) -> Block:
    """Apply every augmentation that is on to a block."""
    for name, amount in params.active().items():
        block = AUGMENTATIONS[name](block, amount)
    return block


def add_noise(block: Block, deviation: float) -> Block:
    """Add Gaussian noise to the features; missing features stay missing."""
    return replace(block, features=block.features + deviation * torch.randn_like(block.features))


def mask_time(block: Block, max_steps: float) -> Block:
    """Mask up to ``max_steps`` consecutive steps of each stock's past, never a forecast day."""
    past = _count_past_steps(block)
    length = torch.randint(0, int(max_steps) + 1, (len(block.stock), 1), device=block.stock.device)
    first = (torch.rand(length.shape, device=length.device) * (past - length + 1).clamp(min=1)).long()
    step = torch.arange(block.features.shape[1], device=length.device)
    masked = (step >= first) & (step < first + length) & (step < past)
    return replace(block, features=block.features.masked_fill(masked.unsqueeze(-1), torch.nan))


def permute_segments(block: Block, length: float) -> Block:
    """Exchange two segments of the past, at the same steps for all stocks."""
    past, size = _count_past_steps(block), int(length)
    if past < 2 * size:
        return block
    first = int(torch.randint(0, past - 2 * size + 1, ()))
    second = int(torch.randint(first + size, past - size + 1, ()))
    order = torch.arange(block.features.shape[1], device=block.features.device)
    order[first : first + size], order[second : second + size] = (
        order[second : second + size].clone(),
        order[first : first + size].clone(),
    )
    return replace(block, features=block.features[:, order], rows=block.rows[:, order], row_day=block.row_day[:, order])


def mix_stocks(block: Block, concentration: float) -> Block:
    """Mix each stock, features and targets, with another that is present on the same days."""
    other = torch.randperm(len(block.stock), device=block.stock.device)
    has_same_days = (block.row_day == block.row_day[other]) & (block.is_present == block.is_present[other])
    is_mixed = (has_same_days.all(1) & (block.step_of_day == block.step_of_day[:, other]).all(0)).view(-1, 1, 1)
    drawn = torch.distributions.Beta(concentration, concentration).sample((len(other), 1, 1))
    share = torch.maximum(drawn, 1 - drawn).to(block.features).where(is_mixed, 1)
    features = block.features.lerp(block.features[other], 1 - share)  # missing where either is missing
    targets = block.targets.lerp(block.targets[:, other], (1 - share).float().squeeze(-1))
    return replace(
        block,
        features=torch.where(is_mixed, features, block.features),
        targets=targets.where(is_mixed[:, 0], block.targets),
    )


def drop_edges(block: Block, share: float) -> Block:
    """Remove a random share of the edges."""
    removed = torch.rand(block.neighbours.shape, device=block.neighbours.device) < share
    return replace(
        block,
        neighbours=block.neighbours.masked_fill(removed, ABSENT),
        edges=block.edges.masked_fill(removed.unsqueeze(-1), 0),
    )


AUGMENTATIONS: dict[str, Callable[[Block, float], Block]] = {
    "feature_noise": add_noise,
    "time_mask": mask_time,
    "segment_permutation": permute_segments,
    "mixup": mix_stocks,
    "edge_dropout": drop_edges,
}
assert set(AUGMENTATIONS) == set(AugmentParams.model_fields)


def _count_past_steps(block: Block) -> int:
    """Count the steps before the first forecast day."""
    steps, days = block.features.shape[1], len(block.day)
    return steps - days
